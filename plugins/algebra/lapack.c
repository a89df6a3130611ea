/* SPDX-License-Identifier: Apache-2.0
 * Loads LAPACKE, whichever implementation the system's alternatives put behind it. */
#include "algebra/lapack.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>

#define LIBRARY "liblapacke.so.3"

static void *symbol(struct lapack *l, const struct oodd_host *host, const char *name)
{
	char text[128];
	void *found = dlsym(l->library, name);

	if (!found) {
		snprintf(text, sizeof text, "%s has no %s", LIBRARY, name);
		host->log(host->context, OODD_LOG_ERROR, text);
	}
	return found;
}

int lapack_open(struct lapack *l, const struct oodd_host *host)
{
	char text[256];

	*l = (struct lapack){.library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL)};
	if (!l->library) {
		snprintf(text, sizeof text, "LAPACK is needed to fit (on Debian: liblapacke and libopenblas0): %s", dlerror());
		host->log(host->context, OODD_LOG_ERROR, text);
		return -ENOSYS;
	}
	void (*threads)(int) = (void (*)(int))dlsym(l->library, "openblas_set_num_threads");
	if (threads)
		threads(1);
	l->potrf = (__typeof__(l->potrf))symbol(l, host, "LAPACKE_dpotrf");
	l->trtri = (__typeof__(l->trtri))symbol(l, host, "LAPACKE_dtrtri");
	l->sygvd = (__typeof__(l->sygvd))symbol(l, host, "LAPACKE_dsygvd");
	l->syevd = (__typeof__(l->syevd))symbol(l, host, "LAPACKE_dsyevd");
	l->gelsd = (__typeof__(l->gelsd))symbol(l, host, "LAPACKE_dgelsd");
	if (l->potrf && l->trtri && l->sygvd && l->syevd && l->gelsd)
		return 0;
	lapack_close(l);
	return -ENOSYS;
}

void lapack_close(struct lapack *l)
{
	if (l->library)
		dlclose(l->library);
	l->library = NULL;
}
