/* SPDX-License-Identifier: GPL-2.0 */
/* What the processor counts, and the least that it needs for the rounds of ChaCha20. */
#ifndef PROCESSOR_H
#define PROCESSOR_H

#include <stdbool.h>
#include <stdint.h>

struct counts {
	uint64_t	instructions;
	uint64_t	cycles;
};

/* Count what this thread does in user mode. False if the machine does not let us. */
bool counters_open(void);
void counters_start(void);
struct counts counters_stop(void);
void counters_close(void);

/* Twenty rounds of a batch, in ns, if nothing else took time */
struct roof {
	unsigned int	blocks;		/* of a batch; 0 if nothing is known of that level */
	double		latency;	/* of the longest chain of results */
	double		work;		/* of all instructions, if none had to wait */
};

struct roof roof_of(const char *level);

/* The least time for so many blocks: batches overlap, and the last one has to finish. */
double roof_ns(const struct roof *roof, unsigned int blocks);

#endif
