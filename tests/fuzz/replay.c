/* SPDX-License-Identifier: Apache-2.0
 * A main for fuzz targets where there is no libFuzzer: every file named on the command line or
 * found in the target's corpus, each also cut and broken in some hundred ways, and bytes made from
 * nothing. The same every time, so that a failure can be met again: the input at fault is left in
 * <name>-crash. */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST 65536
#define CHANGES 300
#define MADE 3000

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static const char *crash;
static uint64_t state = 88172645463325252u;

/* xorshift64 (Marsaglia 2003) */
static uint32_t next(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32) % below;
}

/* Written before it is tried, gone when it did no harm. */
static void try(const uint8_t *bytes, size_t n)
{
	uint8_t *own = malloc(n ? n : 1); /* so that reading past its end is seen */
	FILE *out = fopen(crash, "wb");

	if (!own || !out)
		exit(99);
	fwrite(bytes, 1, n, out);
	fclose(out);
	memcpy(own, bytes, n);
	LLVMFuzzerTestOneInput(own, n);
	free(own);
}

static void change(uint8_t *bytes, size_t *n)
{
	size_t at = *n ? next((uint32_t)*n) : 0;

	switch (next(4)) {
	case 0:
		*n = at;
		break;
	case 1:
		if (*n)
			bytes[at] = (uint8_t)next(256);
		break;
	case 2:
		if (*n)
			bytes[at] ^= (uint8_t)(1u << next(8));
		break;
	default:
		if (*n < MOST)
			memmove(bytes + at + 1, bytes + at, (*n)++ - at);
	}
}

static void replay(const char *path)
{
	static uint8_t bytes[MOST], changed[MOST];
	FILE *in = fopen(path, "rb");
	size_t n = in ? fread(bytes, 1, sizeof bytes, in) : 0;

	if (!in)
		return;
	fclose(in);
	try(bytes, n);
	for (int i = 0; i < CHANGES; i++) {
		size_t n_changed = n;

		memcpy(changed, bytes, n);
		for (uint32_t k = 1 + next(4); k > 0; k--)
			change(changed, &n_changed);
		try(changed, n_changed);
	}
}

static void replay_folder(const char *folder)
{
	struct dirent **names;
	int n = scandir(folder, &names, NULL, alphasort);
	char path[PATH_MAX + 300];

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			replay(path);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

int main(int argc, char **argv)
{
	static uint8_t bytes[512];
	const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0],
		   *tree = getenv("OODD_TREE");
	char left[PATH_MAX], folder[PATH_MAX];

	name = strncmp(name, "fuzz_", 5) == 0 ? name + 5 : name;
	snprintf(left, sizeof left, "%s-crash.%ld", name, (long)getpid());
	crash = left;
	snprintf(folder, sizeof folder, "%s/tests/fuzz/corpus/%s", tree ? tree : ".", name);
	replay_folder(folder);
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	for (int i = 0; i < MADE; i++) {
		size_t n = next(sizeof bytes);

		for (size_t k = 0; k < n; k++)
			bytes[k] = (uint8_t)next(256);
		try(bytes, n);
	}
	unlink(crash);
	return 0;
}
