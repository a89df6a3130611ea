/* SPDX-License-Identifier: Apache-2.0
 * libcurl's multi interface driven by uv: curl says which sockets and which timeout it waits for,
 * uv says when they are ready. The only file that meets curl.h. Two things are easy to get wrong: a
 * finished request may only be taken down after curl_multi_socket_action has returned, and curl
 * reuses descriptors, so a poll handle goes at CURL_POLL_REMOVE and not later. */
#include "deliver/http.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "base/clock.h"
#include "base/mem.h"

#define CONNECT_US (10 * SECOND_US)

struct http {
	CURLM *multi;
	uv_loop_t *loop;
	uv_timer_t *timer; /* freed by its close callback */
	struct http_call *calls;
	struct socket *sockets;
};

struct socket {
	uv_poll_t poll;
	struct http *http;
	curl_socket_t fd;
	struct socket *next, **here; /* in http->sockets */
};

struct http_call {
	struct http *http;
	CURL *easy;
	struct curl_slist *headers;
	char *url;
	struct buf body, answer;
	size_t n_answer; /* bytes that came */
	char error[CURL_ERROR_SIZE];
	void (*done)(void *context, const struct http_answer *answer);
	void *context;
	struct http_call *next, **here; /* in http->calls */
};

/* ---- calls that ended ---- */

static void call_free(struct http_call *c)
{
	*c->here = c->next;
	if (c->next)
		c->next->here = c->here;
	curl_multi_remove_handle(c->http->multi, c->easy);
	curl_easy_cleanup(c->easy);
	for (struct curl_slist *h = c->headers; h; h = h->next)
		explicit_bzero(h->data, strlen(h->data));
	curl_slist_free_all(c->headers);
	if (c->body.at)
		explicit_bzero(c->body.at, c->body.n);
	buf_done(&c->body);
	buf_done(&c->answer);
	free(c->url);
	free(c);
}

/* Most servers explain themselves in one line; what they say goes into the log and the database. */
static const char *printable(struct buf *b)
{
	for (size_t i = 0; i < b->n; i++)
		if ((unsigned char)b->at[i] < ' ' || b->at[i] == 0x7f)
			b->at[i] = ' ';
	return buf_cstr(b);
}

static void call_end(struct http_call *c, CURLcode result)
{
	long status = 0;
	curl_off_t retry_after = 0;
	struct http_answer answer;

	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(c->easy, CURLINFO_RETRY_AFTER, &retry_after);
	/* A server that answers and then talks for ever has answered. */
	if (c->n_answer > HTTP_ANSWER_MOST && result == CURLE_WRITE_ERROR)
		result = CURLE_OK;
	answer = (struct http_answer){.status = (int)status, .body = printable(&c->answer)};
	if (retry_after > 0)
		answer.retry_after_us =
			retry_after < 7 * 86400 ? retry_after * SECOND_US : 7 * 86400 * SECOND_US;
	if (result != CURLE_OK)
		answer.error = *c->error ? c->error : curl_easy_strerror(result);
	c->done(c->context, &answer);
	call_free(c);
}

static void calls_end(struct http *h)
{
	struct http_call *c;
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(h->multi, &left))) {
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &c);
		call_end(c, message->data.result);
	}
}

/* ---- curl on uv ---- */

static void on_socket(uv_poll_t *poll, int status, int events)
{
	struct socket *s = poll->data;
	struct http *h = s->http;
	int running, flags = status < 0 ? CURL_CSELECT_ERR : 0;

	if (events & UV_READABLE)
		flags |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		flags |= CURL_CSELECT_OUT;
	curl_multi_socket_action(h->multi, s->fd, flags, &running);
	calls_end(h);
}

static void on_timer(uv_timer_t *timer)
{
	struct http *h = timer->data;
	int running;

	curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	calls_end(h);
}

static void freed(uv_handle_t *handle)
{
	free(handle->data);
}

static struct socket *socket_open(struct http *h, curl_socket_t fd)
{
	struct socket *s = mem_zero(1, sizeof *s);

	*s = (struct socket){.http = h, .fd = fd, .next = h->sockets, .here = &h->sockets};
	if (uv_poll_init_socket(h->loop, &s->poll, fd)) {
		free(s);
		return NULL;
	}
	s->poll.data = s;
	if (s->next)
		s->next->here = &s->next;
	h->sockets = s;
	return s;
}

static void socket_close(struct socket *s)
{
	*s->here = s->next;
	if (s->next)
		s->next->here = s->here;
	uv_poll_stop(&s->poll);
	uv_close((uv_handle_t *)&s->poll, freed);
}

/* Called by curl: wait for this socket, or no longer. */
static int wants_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *of_socket)
{
	struct http *h = context;
	struct socket *s = of_socket;
	int events =
		(what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s)
			socket_close(s);
		curl_multi_assign(h->multi, fd, NULL);
		return 0;
	}
	if (!s && !(s = socket_open(h, fd)))
		return -1;
	curl_multi_assign(h->multi, fd, s);
	return uv_poll_start(&s->poll, events, on_socket) ? -1 : 0;
}

/* Called by curl: call back after so long. Never call curl from here. */
static int wants_timeout(CURLM *multi, long ms, void *context)
{
	struct http *h = context;

	(void)multi;
	if (ms < 0)
		return uv_timer_stop(h->timer);
	/* From now, not from the start of this turn of the loop: curl does not ask again when it is
	 * called too early. */
	uv_update_time(h->loop);
	return uv_timer_start(h->timer, on_timer, (uint64_t)ms, 0) ? -1 : 0;
}

int http_open(uv_loop_t *loop, struct http **ret, struct error *e)
{
	struct http *h;

	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return error_set(e, -EIO, "libcurl cannot be used");
	/* A peer that hangs up in the middle of TLS: libcurl, told to leave signals alone, and OpenSSL
	 * leave this to us. The write fails with EPIPE all the same. */
	signal(SIGPIPE, SIG_IGN);
	h = mem_zero(1, sizeof *h);
	h->loop = loop;
	h->multi = curl_multi_init();
	h->timer = mem_zero(1, sizeof *h->timer);
	if (!h->multi || uv_timer_init(loop, h->timer))
		abort();
	h->timer->data = h;
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, wants_socket);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, wants_timeout);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	*ret = h;
	return 0;
}

void http_close(struct http *h)
{
	if (!h)
		return;
	while (h->calls)
		call_free(h->calls);
	curl_multi_cleanup(h->multi);
	while (h->sockets)
		socket_close(h->sockets);
	uv_timer_stop(h->timer);
	h->timer->data = h->timer;
	uv_close((uv_handle_t *)h->timer, freed);
	free(h);
}

/* ---- one request ---- */

static size_t on_answer(char *at, size_t size, size_t n, void *context)
{
	struct http_call *c = context;
	size_t room = HTTP_ANSWER_KEPT - c->answer.n;

	n *= size;
	buf_put(&c->answer, at, n < room ? n : room);
	c->n_answer += n;
	return c->n_answer > HTTP_ANSWER_MOST ? 0 : n;
}

static void call_headers(struct http_call *c, const struct request *r)
{
	for (size_t i = 0; i < r->n_headers; i++) {
		/* curl takes "Name:" for "leave it out" and wants "Name;" for an empty value. */
		char *line = *r->headers[i].value
				     ? mem_format("%s: %s", r->headers[i].name, r->headers[i].value)
				     : mem_format("%s;", r->headers[i].name);

		c->headers = curl_slist_append(c->headers, line);
		explicit_bzero(line, strlen(line));
		free(line);
	}
	/* No waiting for "100 Continue": some servers never say it. */
	c->headers = curl_slist_append(c->headers, "Expect:");
}

#if LIBCURL_VERSION_NUM >= 0x075500
#define allow_protocols(easy) curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https")
#else
#define allow_protocols(easy)                                                                      \
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS))
#endif

static void call_options(
	struct http_call *c, const char *method, const char *ca_file, int64_t timeout_us)
{
	int64_t connect_us = timeout_us < CONNECT_US ? timeout_us : CONNECT_US;

	curl_easy_setopt(c->easy, CURLOPT_URL, c->url);
	allow_protocols(c->easy);
	curl_easy_setopt(c->easy, CURLOPT_PRIVATE, c);
	curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, c->error);
	curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c->easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(c->easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(c->easy, CURLOPT_USERAGENT, "oodd");
	curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, (long)(timeout_us / 1000));
	curl_easy_setopt(c->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect_us / 1000));
	curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->headers);
	curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body.n);
	curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, buf_cstr(&c->body));
	if (strcmp(method, "POST"))
		curl_easy_setopt(c->easy, CURLOPT_CUSTOMREQUEST, method);
	/* Beside the system's, which stay in CURLOPT_CAPATH. */
	if (ca_file)
		curl_easy_setopt(c->easy, CURLOPT_CAINFO, ca_file);
}

struct http_call *http_send(struct http *h, const char *url, const struct request *r,
	const char *ca_file, int64_t timeout_us,
	void (*done)(void *context, const struct http_answer *answer), void *context)
{
	struct http_call *c = mem_zero(1, sizeof *c);
	size_t n = strlen(url);

	*c = (struct http_call){
		.http = h, .done = done, .context = context, .next = h->calls, .here = &h->calls};
	if (c->next)
		c->next->here = &c->next;
	h->calls = c;
	c->easy = curl_easy_init();
	if (!c->easy)
		abort();
	/* "http://host/" and "/path" have one slash between them. */
	while (r->path && *r->path && n && url[n - 1] == '/')
		n--;
	c->url = mem_format("%.*s%s", (int)n, url, r->path ? r->path : "");
	buf_put(&c->body, r->body.at, r->body.n);
	call_headers(c, r);
	call_options(c, r->method, ca_file, timeout_us);
	curl_multi_add_handle(h->multi, c->easy);
	return c;
}

void http_cancel(struct http_call *c)
{
	call_free(c);
}

/* ---- addresses ---- */

static int url_shown(CURLU *u, const char *url, char **ret, struct error *e)
{
	char *scheme = NULL, *host = NULL, *port = NULL;
	int code = 0;

	if (curl_url_set(u, CURLUPART_URL, url, 0) ||
		curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) ||
		curl_url_get(u, CURLUPART_HOST, &host, 0) ||
		(strcasecmp(scheme, "http") && strcasecmp(scheme, "https")))
		code = error_set(e, -EINVAL, "url: an address like https://host/path is expected");
	else if (curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT))
		code = error_set(e, -EINVAL, "url: its port cannot be read");
	else
		*ret = mem_format("%s://%s:%s", scheme, host, port);
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	return code;
}

int http_url_shown(const char *url, char **ret, struct error *e)
{
	CURLU *u = curl_url();
	int code;

	if (!u)
		abort();
	code = url_shown(u, url, ret, e);
	curl_url_cleanup(u);
	return code;
}
