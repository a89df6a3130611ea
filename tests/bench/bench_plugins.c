/* SPDX-License-Identifier: Apache-2.0
 * What each shipped detector costs a row, beside the bare BLAS calls of the same shape in the same interleaved run. Best of several
 * rounds, thread CPU time, one thread. Figures are for this machine and minute: carry forward the ratios. */
#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "score/options.h"
#include "score/registry.h"

#define ROWS 4096
#define ROUNDS 7

void openblas_set_num_threads(int n);
char *openblas_get_corename(void);

#define FEATURES 100

struct shape {
	size_t d, classes, bank;
};

struct data {
	struct shape shape;
	float *x, *z, *w, *y, *scores;
	uint8_t *status;
	int32_t *predicted;
	double *number; /* FEATURES x n */
};

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Sum of four uniforms: normal enough, and the same everywhere. */
static float noise(uint64_t *seed)
{
	float sum = 0;

	for (int i = 0; i < 4; i++) {
		*seed = *seed * 6364136223846793005u + 1442695040888963407u;
		sum += (float)(*seed >> 40) / 16777216.0f - 0.5f;
	}
	return sum;
}

/* A last layer over rectified activations: some detectors look for one. */
static float logit(const float *x, const float *w, size_t d)
{
	float sum = 0;

	for (size_t j = 0; j < d; j++)
		sum += x[j] * w[j];
	return 2 + 30 * sum / (float)d;
}

static struct data data_make(struct shape s)
{
	struct data t = {.shape = s};
	size_t n = s.bank > ROWS ? s.bank : ROWS, width = s.classes > s.d ? s.classes : s.d;
	uint64_t seed = 1;

	t.x = mem_aligned(n * s.d * sizeof(float));
	t.z = mem_aligned(n * s.classes * sizeof(float));
	t.w = mem_aligned((s.bank > width ? s.bank : width) * s.d * sizeof(float));
	t.y = mem_aligned(256 * (s.bank > width ? s.bank : width) * sizeof(float));
	t.predicted = mem_alloc(n * sizeof(int32_t));
	t.scores = mem_alloc(n * sizeof(float));
	t.status = mem_zero(n, 1);
	for (size_t i = 0; i < (s.bank > width ? s.bank : width) * s.d; i++)
		t.w[i] = noise(&seed);
	for (size_t i = 0; i < n; i++) {
		t.predicted[i] = (int32_t)(i % s.classes);
		for (size_t j = 0; j < s.d; j++)
			t.x[i * s.d + j] = fmaxf(noise(&seed) + t.w[(i % s.classes) * s.d + j], 0);
		for (size_t j = 0; j < s.classes; j++)
			t.z[i * s.classes + j] = logit(t.x + i * s.d, t.w + j * s.d, s.d);
	}
	return t;
}

static void data_free(struct data *t)
{
	free(t->x), free(t->z), free(t->w), free(t->y), free(t->predicted), free(t->scores), free(t->status);
}

static struct oodd_batch batch_of(const struct data *t, size_t from, size_t n)
{
	return (struct oodd_batch){.size = sizeof(struct oodd_batch), .n = n, .logits = {t->z + from * t->shape.classes, t->shape.classes},
		.embedding = {t->x + from * t->shape.d, t->shape.d}, .predicted = t->predicted + from, .n_classes = (int32_t)t->shape.classes};
}

/* FEATURES columns of numbers, from row `from` on. */
static struct oodd_batch features_of(const struct data *t, size_t from, size_t n)
{
	static struct oodd_numeric columns[FEATURES];

	for (size_t k = 0; k < FEATURES; k++)
		columns[k] = (struct oodd_numeric){"number", t->number + k * ROWS + from};
	return (struct oodd_batch){.size = sizeof(struct oodd_batch), .n = n, .numeric = columns, .n_numeric = FEATURES};
}

/* What a line measures: a detector, or BLAS in its place. */
struct line {
	char name[48];
	size_t batch;
	const struct oodd_detector *detector;
	void *state;
	void (*blas)(const struct data *t, size_t from, size_t n);
	double best; /* seconds a row */
};

static void blas_gemm(const struct data *t, size_t from, size_t n, size_t outputs, const float *x)
{
	int d = (int)t->shape.d;
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)outputs, d, 1, x ? x : t->x + from * t->shape.d, d, t->w, d, 0,
		t->y, (int)outputs);
}

static void blas_two_gemm(const struct data *t, size_t from, size_t n)
{
	blas_gemm(t, from, n, t->shape.d, NULL);
	blas_gemm(t, from, n, t->shape.classes, NULL);
}

/* The triangular product works in place, so it wants a copy first: that is part of using it. */
static void blas_trmm_gemm(const struct data *t, size_t from, size_t n)
{
	int d = (int)t->shape.d;
	float *copy = t->y + 256 * (t->shape.classes > t->shape.d ? t->shape.classes : t->shape.d) - n * t->shape.d;

	memcpy(copy, t->x + from * t->shape.d, n * t->shape.d * sizeof *copy);
	cblas_strmm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, (int)n, d, 1, t->w, d, copy, d);
	blas_gemm(t, from, n, t->shape.classes, NULL);
}

static void blas_bank(const struct data *t, size_t from, size_t n)
{
	blas_gemm(t, from, n, t->shape.bank, NULL);
}

/* As the host has it: each row into a slot of its own, which is then added to a window's vector. */
static void rows_add(const struct line *l, const struct oodd_batch *b)
{
	static int64_t slot[4096], window[4096];
	size_t width = l->detector->width(l->state);

	for (size_t i = 0; i < b->n; i++) {
		memset(slot, 0, width * sizeof *slot);
		if (l->detector->accumulate(l->state, b, i, i + 1, slot) < 0)
			abort();
		for (size_t k = 0; k < width; k++)
			window[k] += slot[k];
	}
}

static void line_run(struct line *l, const struct data *t, size_t rows)
{
	double start = cpu_s();

	for (size_t from = 0; from < rows; from += l->batch) {
		struct oodd_batch b = t->number ? features_of(t, from, l->batch) : batch_of(t, from, l->batch);
		if (l->blas)
			l->blas(t, from, l->batch);
		else if (!l->detector->score)
			rows_add(l, &b);
		else if (l->detector->score(l->state, &b, t->scores, t->status))
			abort();
	}
	double each = (cpu_s() - start) / (double)rows;
	if (each < l->best)
		l->best = each;
}

static void lines_run(struct line *lines, size_t n, const struct data *t, size_t rows)
{
	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < n; i++)
			line_run(&lines[i], t, lines[i].batch == 1 ? rows / 8 : rows);
	for (size_t i = 0; i < n; i++)
		printf("  %-28s batch %4zu  %10.0f ns/row %12.0f rows/s\n", lines[i].name, lines[i].batch, lines[i].best * 1e9,
			1 / lines[i].best);
}

static void detector_add(struct line *lines, size_t *n, const struct plugins *plugins, const char *name, const struct data *t,
	size_t fit_rows, struct option_text option)
{
	struct oodd_batch all = t->number ? features_of(t, 0, fit_rows) : batch_of(t, 0, fit_rows);
	const struct oodd_batch *batches = &all;
	const struct oodd_detector *d = NULL;
	struct reference_option *options = NULL;
	size_t n_options = 0, n_bytes = 0;
	void *bytes = NULL, *state = NULL;
	struct error e = {""};

	if (plugins_find(plugins, name, &d, &e) || detector_options(d, &option, option.name ? 1 : 0, &options, &n_options, &e) ||
		detector_fit(d, options, n_options, &batches, 1, &bytes, &n_bytes, &e) ||
		detector_open(d, options, n_options, bytes, n_bytes, &state, &e)) {
		fprintf(stderr, "bench_plugins: %s\n", e.text);
		exit(1);
	}
	for (size_t batch = 256; batch >= 1; batch /= 256) {
		lines[*n] = (struct line){.batch = batch, .detector = d, .state = state, .best = INFINITY};
		snprintf(lines[(*n)++].name, sizeof lines->name, "%s%s%s", name, option.name ? option.name[0] == 'k' ? " k = " : ", every row" : "",
			option.name && option.name[0] == 'k' ? option.text : "");
	}
	detector_options_free(options, n_options);
	free(bytes);
}

static void blas_add(struct line *lines, size_t *n, const char *name, void (*blas)(const struct data *t, size_t from, size_t n))
{
	for (size_t batch = 256; batch >= 1; batch /= 256) {
		lines[*n] = (struct line){.batch = batch, .blas = blas, .best = INFINITY};
		snprintf(lines[(*n)++].name, sizeof lines->name, "%s", name);
	}
}

static double ratio(const struct line *lines, size_t n, const char *a, const char *b)
{
	double of_a = NAN, of_b = NAN;

	for (size_t i = 0; i < n; i++) {
		of_a = lines[i].batch > 1 && strcmp(lines[i].name, a) == 0 ? lines[i].best : of_a;
		of_b = lines[i].batch > 1 && strcmp(lines[i].name, b) == 0 ? lines[i].best : of_b;
	}
	return 100 * of_b / of_a;
}

/* What `oodd fit` takes where nobody chose, in batches: agent/score/fit_detectors.c. */
static double default_set(const struct line *lines, size_t n)
{
	static const char *const names[] = {"maxlogit", "gen", "entropy", "mahalanobis", "relative", "knn k = 1", "fdbd", "vim"};
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < sizeof names / sizeof names[0]; j++)
			sum += lines[i].batch > 1 && strcmp(lines[i].name, names[j]) == 0 ? lines[i].best : 0;
	return sum;
}

static void classes_bench(const struct plugins *plugins, struct shape shape)
{
	static const char *const names[] = {"null", "msp", "maxlogit", "energy", "entropy", "margin", "gen", "mahalanobis", "relative", "fdbd", "vim", "scale", "react",
		"mean_shift", "covariance_shift", "bbse", "chi_squared"};
	struct data t = data_make(shape);
	struct line lines[48];
	size_t n = 0;

	printf("%zu dimensions, %zu classes\n", shape.d, shape.classes);
	blas_add(lines, &n, "sgemm + sgemm", blas_two_gemm);
	blas_add(lines, &n, "copy + strmm + sgemm", blas_trmm_gemm);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		detector_add(lines, &n, plugins, names[i], &t, ROWS, (struct option_text){0});
	detector_add(lines, &n, plugins, "knn", &t, shape.bank, (struct option_text){"k", "1"});
	detector_add(lines, &n, plugins, "rff_mmd", &t, ROWS, (struct option_text){"sample", "1"});
	lines_run(lines, n, &t, shape.d > 256 ? 1024 : ROWS);
	printf("  the default set, knn with %zu rows, in batches: %.1f us/row\n", shape.bank, default_set(lines, n) * 1e6);
	printf("  mahalanobis in batches: %.0f %% of the speed of sgemm + sgemm, %.0f %% of strmm + sgemm\n\n",
		ratio(lines, n, "mahalanobis", "sgemm + sgemm"), ratio(lines, n, "mahalanobis", "copy + strmm + sgemm"));
	for (size_t i = 4; i < n; i += 2)
		detector_close(lines[i].detector, lines[i].state);
	data_free(&t);
}

static void bank_bench(const struct plugins *plugins, struct shape shape)
{
	struct data t = data_make(shape);
	struct line lines[8];
	size_t n = 0;

	printf("%zu dimensions, %zu reference rows\n", shape.d, shape.bank);
	blas_add(lines, &n, "sgemm", blas_bank);
	detector_add(lines, &n, plugins, "knn", &t, shape.bank, (struct option_text){"k", "5"});
	detector_add(lines, &n, plugins, "knn", &t, shape.bank, (struct option_text){"k", "50"});
	lines_run(lines, n, &t, 512);
	printf("  knn, k = 5, in batches: %.0f %% of the speed of sgemm alone\n\n", ratio(lines, n, "knn k = 5", "sgemm"));
	for (size_t i = 2; i < n; i += 2)
		detector_close(lines[i].detector, lines[i].state);
	data_free(&t);
}

static void features_bench(const struct plugins *plugins)
{
	struct data t = {.number = mem_alloc(FEATURES * ROWS * sizeof(double)), .scores = mem_alloc(ROWS * sizeof(float)), .status = mem_zero(ROWS, 1)};
	struct line lines[4];
	uint64_t seed = 1;
	size_t n = 0;

	for (size_t i = 0; i < FEATURES * ROWS; i++)
		t.number[i] = (double)noise(&seed);
	printf("%d numeric features\n", FEATURES);
	detector_add(lines, &n, plugins, "ecod", &t, ROWS, (struct option_text){0});
	lines_run(lines, n, &t, ROWS);
	printf("\n");
	detector_close(lines[0].detector, lines[0].state);
	free(t.number), free(t.scores), free(t.status);
}

/* An OpenBLAS older than the processor falls back to its slowest kernels; it reads this only when it is loaded. */
static void blas_choose(char **argv)
{
	const char *kernels = NULL;

#if defined(__x86_64__)
	kernels = __builtin_cpu_supports("avx512f") ? "SkylakeX" : __builtin_cpu_supports("avx2") ? "Haswell" : NULL;
#endif
	if (!kernels || getenv("OPENBLAS_CORETYPE"))
		return;
	setenv("OPENBLAS_CORETYPE", kernels, 1);
	execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
	(void)argc;
	blas_choose(argv);
	static const struct shape classes[] = {{64, 10, 10000}, {128, 150, 5000}, {768, 150, 3125}};
	static const struct shape banks[] = {{64, 10, 10000}, {768, 10, 10000}};
	const char *dirs[] = {getenv("OODD_BUILD_PLUGINS") ? getenv("OODD_BUILD_PLUGINS") : "plugins"};
	struct plugins *plugins = plugins_open(dirs, 1);

	openblas_set_num_threads(1);
	printf("BLAS: OpenBLAS with its %s kernels, one thread\n\n", openblas_get_corename());
	for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
		classes_bench(plugins, classes[i]);
	for (size_t i = 0; i < sizeof banks / sizeof banks[0]; i++)
		bank_bench(plugins, banks[i]);
	features_bench(plugins);
	plugins_close(plugins);
	return 0;
}
