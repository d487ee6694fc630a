// SPDX-License-Identifier: MIT
/* A plugin that contains the library, for the test dlopen. */
#include "../vgetrandom.h"

uint32_t plugin_draw(void)
{
	return vgr_random();
}

int plugin_prepare(void)
{
	return vgr_prepare();
}
