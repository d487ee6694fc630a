/* SPDX-License-Identifier: MIT */
/* The image of fake.c, where getauxval() of image.c finds it. */
	.section .text.image, "ax"
	.balign	4096
	.globl	fake_image
fake_image:
	.incbin	IMAGE
	.balign	4096
	.section .note.GNU-stack, "", %progbits
