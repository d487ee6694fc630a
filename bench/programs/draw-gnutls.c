// SPDX-License-Identifier: GPL-2.0
/* draw-gnutls SIZE: GnuTLS's gnutls_rnd() */
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "draw.h"

static int draw(size_t size)
{
	return gnutls_rnd(GNUTLS_RND_RANDOM, buffer, size);
}

int main(int argc, char **argv)
{
	return print_time(argc, argv);
}
