"""Certificates: who may be believed."""
import subprocess

import pytest

from conftest import program
from oodd import Home, sample, wait_for as until
from courier import Courier, Receiver, endpoint


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A CA, and servers' certificates by it: good, for another host, expired; and one that nobody signed but itself."""
    openssl = program("openssl", "openssl")
    d = tmp_path_factory.mktemp("tls")

    def run(*args):
        subprocess.run([openssl, *map(str, args)], check=True, capture_output=True, cwd=d)

    run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test CA")
    run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "self.key", "-out", "self.pem", "-days", "2", "-subj",
        "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    (d / "index.txt").write_text("")
    (d / "serial").write_text("01\n")
    (d / "ca.cnf").write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\n"
                              "policy=p\ncopy_extensions=copy\nunique_subject=no\n[p]\ncommonName=supplied\n")
    for name, san, start, end in (("good", "IP:127.0.0.1", "20200101000000Z", "20490101000000Z"),
                                  ("other", "DNS:elsewhere.example", "20200101000000Z", "20490101000000Z"),
                                  ("expired", "IP:127.0.0.1", "20200101000000Z", "20210101000000Z")):
        run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}",
            "-addext", f"subjectAltName={san}")
        run("ca", "-batch", "-notext", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-in", f"{name}.csr", "-out",
            f"{name}.pem", "-startdate", start, "-enddate", end)
    return d


def deliver(processes, tmp_path, certificates, name, **more):
    receiver = Receiver(tls=(certificates / f"{name}.pem", certificates / f"{name}.key"))
    c = Courier(processes, tmp_path / "state", endpoint(name="hook", kind="webhook", url=receiver.url, timeout="5s", **more))
    c.fire("Shift", "k1")
    until(lambda: c.status("hook")["accepted"] + c.status("hook")["failed"] > 0)
    status = c.status("hook")
    c.quit()
    receiver.close()
    return status, receiver.requests


def test_a_certificate_by_a_ca_that_is_named_is_accepted(processes, tmp_path, certificates):
    status, requests = deliver(processes, tmp_path, certificates, "good", ca_file=certificates / "ca.pem")
    assert status["accepted"] == 1 and len(requests) == 1


@pytest.mark.parametrize("name,ca,sentence", [("self", False, "self-signed"), ("good", False, "unable to get local issuer"),
                                              ("other", True, "matches target host name"), ("expired", True, "expired")])
def test_any_other_is_refused_and_nothing_is_said_to_it(processes, tmp_path, certificates, name, ca, sentence):
    more = {"ca_file": certificates / "ca.pem"} if ca else {}
    status, requests = deliver(processes, tmp_path, certificates, name, **more)
    assert status["accepted"] == 0 and not requests
    assert sentence in status["said"].replace("self signed", "self-signed")


@pytest.mark.parametrize("trusted", [True, False])
def test_the_whole_agent_believes_only_whom_it_should(processes, tmp_path, certificates, trusted):
    receiver = Receiver(tls=(certificates / "good.pem", certificates / "good.key"))
    ca = f', ca_file = "{certificates}/ca.pem"' if trusted else ""
    home = Home(tmp_path, extra='commit = "100ms"')
    home.config.write_text(home.config.read_text().replace('url = "http://127.0.0.1:9/none"', f'url = "{receiver.url}"{ca}'))
    home.fit()
    agent = processes(home.command("run"), stderr=open(home.path / "agent.log", "ab"))
    home.log.write_bytes(b"".join(sample("stream")))
    text = (home.path / "agent.log").read_text
    until(lambda: receiver.requests if trusted else "issuer certificate" in text(), 60)
    agent.terminate()
    assert agent.wait(20) == 0, text()[-2000:]
    assert bool(receiver.requests) == trusted
    receiver.close()
