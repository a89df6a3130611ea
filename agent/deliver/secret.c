/* SPDX-License-Identifier: Apache-2.0
 * Secrets, and signatures made with them. Meets libcrypto. */
#include "deliver/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/buf.h"
#include "base/mem.h"

#define KEY_PREFIX "whsec_"

static int file_check(int fd, const char *path, struct error *e)
{
	struct stat st;

	if (fstat(fd, &st))
		return error_set(e, -errno, "secret file %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return error_set(e, -EINVAL, "secret file %s: is not a plain file", path);
	if (st.st_mode & (S_IRWXO | S_IWGRP))
		return error_set(e, -EPERM,
			"secret file %s: mode %04o lets others at it; chmod 0640 or 0400 it", path,
			(unsigned)st.st_mode & 07777);
	if (st.st_size > SECRET_LIMIT)
		return error_set(
			e, -EFBIG, "secret file %s: longer than %d bytes", path, SECRET_LIMIT);
	return 0;
}

/* One line of printable text: anything else is a mistake, and could not stand in a header. */
static int text_check(char *text, size_t n, const char *path, struct error *e)
{
	while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	text[n] = '\0';
	if (!n)
		return error_set(e, -EINVAL, "secret file %s: is empty", path);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return error_set(
				e, -EINVAL, "secret file %s: one line of text is expected", path);
	return 0;
}

int secret_read(const char *path, char **ret, struct error *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), code;
	char *text;
	ssize_t n = 0;

	if (fd < 0)
		return error_set(e, -errno, "secret file %s: %s", path, strerror(errno));
	text = mem_zero(1, SECRET_LIMIT + 1);
	code = file_check(fd, path, e);
	if (!code && (n = read(fd, text, SECRET_LIMIT)) < 0)
		code = error_set(e, -errno, "secret file %s: %s", path, strerror(errno));
	close(fd);
	if (!code)
		code = text_check(text, (size_t)n, path, e);
	if (code) {
		explicit_bzero(text, SECRET_LIMIT);
		free(text);
		return code;
	}
	*ret = text;
	return 0;
}

void secret_wipe(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

/* The key of a secret, at most SECRET_LIMIT bytes; its length, or -EINVAL. */
static int key_of(const char *secret, unsigned char *to, struct error *e)
{
	const char *coded = secret + strlen(KEY_PREFIX);
	size_t n = strlen(secret);
	int got;

	if (strncmp(secret, KEY_PREFIX, strlen(KEY_PREFIX))) {
		memcpy(to, secret, n);
		return (int)n;
	}
	n = strlen(coded);
	got = n % 4 ? -1 : EVP_DecodeBlock(to, (const unsigned char *)coded, (int)n);
	if (got <= 0)
		return error_set(
			e, -EINVAL, "the secret: what follows " KEY_PREFIX " is not base64");
	/* EVP_DecodeBlock counts the padding as bytes. */
	return got - (coded[n - 1] == '=') - (coded[n - 2] == '=');
}

int secret_sign(const char *secret, const char *id, int64_t seconds, const void *body, size_t n,
	char to[64], struct error *e)
{
	unsigned char key[SECRET_LIMIT + 1], digest[EVP_MAX_MD_SIZE];
	unsigned n_digest = 0;
	struct buf text = BUF_EMPTY;
	int n_key = key_of(secret, key, e);

	if (n_key < 0)
		return n_key;
	buf_format(&text, "%s.%lld.", id, (long long)seconds);
	buf_put(&text, body, n);
	HMAC(EVP_sha256(), key, n_key, (const unsigned char *)text.at, text.n, digest, &n_digest);
	memcpy(to, "v1,", 3);
	EVP_EncodeBlock((unsigned char *)to + 3, digest, (int)n_digest);
	explicit_bzero(key, sizeof key);
	explicit_bzero(text.at, text.n);
	buf_done(&text);
	return 0;
}
