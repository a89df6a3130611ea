/* SPDX-License-Identifier: Apache-2.0
 * LAPACK for fitting only: loaded for the time of a fit and let go after. A running agent scores without it, and linking OpenBLAS would
 * cost it 4 MB and a thread for each processor. What is needed is declared by LAPACKE's own header. */
#ifndef ALGEBRA_LAPACK_H
#define ALGEBRA_LAPACK_H

#include <lapacke.h>

#include "oodd/detector.h"

struct lapack {
	void *library;
	__typeof__(LAPACKE_dpotrf) *potrf; /* Cholesky factor */
	__typeof__(LAPACKE_dtrtri) *trtri; /* inverse of a triangular matrix */
	__typeof__(LAPACKE_dsygvd) *sygvd; /* A v = lambda B v, symmetric */
	__typeof__(LAPACKE_dsyevd) *syevd; /* A v = lambda v, symmetric */
	__typeof__(LAPACKE_dgelsd) *gelsd; /* least squares of minimum norm */
};

/* 0, or -ENOSYS after telling the host why. With OpenBLAS: on one thread, so that the same input gives the same bits. */
int lapack_open(struct lapack *l, const struct oodd_host *host);
void lapack_close(struct lapack *l);

#endif
