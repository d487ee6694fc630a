/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A model of lib/vdso/getrandom.c, in its own order of steps, for spin(1).
 *
 * One thread makes CALLS calls over one state. Between any two steps the state may
 * be wiped (WIPES times), the kernel reseeded (RESEEDS times), the machine cloned (CLONES
 * times), and the call abandoned for a signal (SIGNALS times). A clone changes the word
 * of the hypervisor. The kernel notices at the next system call, of this thread or of any
 * other one, and reseeds. An abandoned call is served by
 * the system call and touches nothing any more, so the calls of a handler, nested
 * ones too, are the next calls here.
 *
 * A fork leaves the child with a wiped state in the middle of its call, and the parent
 * as it was: the child's part is a wipe, and what either of them returns must not be
 * in the other's hands. Hence the claim is stronger than a wipe alone would demand:
 * nothing made before a wipe or a reseed is returned after it.
 *
 * The batch has two words. A word is a number: seed << 4 | refills << 1 | index, where
 * the seed counts what the kernel handed out. Seed 0 is that of a wiped key, which
 * everybody knows. A direct request turns one word, as a key, into output.
 *
 * What is claimed: no word is returned twice, or with seed 0, or though it is older than
 * a wipe, a reseed or a clone that came before the check of it, or after it was left in the buffer
 * of a call that was abandoned; what is returned is not in the batch any more; and when
 * all is quiet, a call is served without the system call.
 *
 * -DBREAK_... makes the changes that the comments of the code warn of. Each has to be
 * found out.
 */
#ifndef CALLS
#define CALLS	2
#endif
#ifndef WIPES
#define WIPES	1
#endif
#ifndef RESEEDS
#define RESEEDS	1
#endif
#ifndef CLONES
#define CLONES	1
#endif
#ifndef SIGNALS
#define SIGNALS	1
#endif

#define BATCH	2

#if defined(BREAK_IN_PROGRESS_ZERO)
#define IN_PROGRESS	0
#elif defined(BREAK_IN_PROGRESS_POSSIBLE)
#define IN_PROGRESS	2
#else
#define IN_PROGRESS	255
#endif

#define seed_of(word)	((word) >> 4)

/* The state, in memory that may be wiped. */
byte generation, avail, key, batch[BATCH];

/* The kernel. */
byte kernel_generation = 1;
byte next_seed = 1;

/* The hypervisor's word, and what the kernel knows of it. */
byte hypervisor, noticed;

/* Seeds older than these are not to be returned any more. */
byte oldest_after_wipe = 1, oldest_after_reseed = 1, oldest_after_clone = 1;

/* What may still happen. */
byte wipes = WIPES, reseeds = RESEEDS, clones = CLONES, signals = SIGNALS;
bool quiet, in_call, signalled;

/* What is in a caller's hands, a bit a word. */
int returned[8];

/* The call's own. */
byte length, tries, g, loaded, checked, oldest, k, i, n, got;
byte sum_generation, sum_noticed, sum_oldest, clock;
byte word[3];
bool large, direct, fine, served;

#define is_returned(w)	(returned[(w) >> 5] & (1 << ((w) & 31)))
#define note_returned(w) returned[(w) >> 5] = returned[(w) >> 5] | (1 << ((w) & 31))

/* Hand the caller what has been drawn, and judge it. */
inline hand_out()
{
	i = 0;
	do
	:: i < got ->
		assert(seed_of(word[i]) > 0);
		assert(seed_of(word[i]) >= oldest);
		assert(seed_of(word[i]) >= sum_oldest);
		assert(seed_of(word[i]) >= oldest_after_clone);
		assert(!is_returned(word[i]));
		assert(batch[0] != word[i] && batch[1] != word[i]);
		note_returned(word[i]);
		i++
	:: else -> break
	od;
	i = 0;
	served = true
}

/*
 * A large request is written into the caller's buffer as it is drawn, so that is where
 * it remains when the call is abandoned or tries again.
 */
inline leave_in_buffer()
{
	d_step {
		i = 0;
		do
		:: large && i < got -> note_returned(word[i]); i++
		:: else -> break
		od;
		i = 0
	}
}

/* The kernel's sum is loaded first, then the state's generation, then the clock. */
inline load_sum()
{
	sum_generation = kernel_generation;
	sum_noticed = noticed;
	sum_oldest = oldest_after_reseed
}

inline load_state_generation()
{
	checked = generation;
	oldest = oldest_after_wipe
}

inline check()
{
	d_step { load_sum() };
#ifndef BREAK_CHECK_EARLY
	d_step { load_state_generation() };
#endif
	d_step {
#ifndef BREAK_CLOCK_EARLY
		clock = hypervisor;
#endif
#ifdef BREAK_TWO_WORDS
		sum_noticed = noticed;
#endif
#if defined(BREAK_NO_CHECK)
		fine = true;
#elif defined(BREAK_CHECK_STATE_ONLY)
		fine = checked == g && checked != 0 && sum_noticed == clock;
#elif defined(BREAK_CHECK_KERNEL_ONLY)
		fine = sum_generation == g && sum_noticed == clock;
#elif defined(BREAK_NO_CLOCK)
		fine = checked == sum_generation && checked != 0;
#else
		fine = checked == sum_generation && checked != 0 && sum_noticed == clock;
#endif
		if
		:: fine -> hand_out()
		:: else
		fi
	}
}

/* What the kernel does before it uses a key. */
inline notice()
{
	if
	:: hypervisor != noticed ->
		noticed = hypervisor;
		kernel_generation++;
		oldest_after_reseed = next_seed
	:: else
	fi
}

/* Take n words from the end of the batch. */
inline claim()
{
#if !defined(BREAK_AVAIL_AFTER_COPY) && !defined(BREAK_AVAIL_AFTER_ERASE)
	avail = loaded - n;
#endif
	i = 0;
	do
	:: i < n ->
		d_step { word[got] = batch[loaded - n + i]; got++ };
#ifndef BREAK_NO_ERASE
#ifdef BREAK_AVAIL_AFTER_COPY
		avail = loaded - n;
#endif
		batch[loaded - n + i] = 0;
#endif
		i++
	:: else -> break
	od;
#ifdef BREAK_AVAIL_AFTER_ERASE
	avail = loaded - n;
#endif
	i = 0
}

/* New key, new batch, and out of progress. */
inline generate()
{
	k = key;
	key = k + 2;
	batch[0] = k;
	batch[1] = k | 1;
	avail = BATCH;
#if defined(BREAK_PLAIN_STORE)
	generation = g;
	fine = true;
#elif defined(BREAK_COMPARE_THEN_STORE)
	if
	:: generation == IN_PROGRESS -> generation = g; fine = true
	:: else -> fine = false
	fi;
#else
	d_step {
		fine = generation == IN_PROGRESS;
		if
		:: fine -> generation = g
		:: else
		fi
	};
#endif
	k = 0
}

inline refill()
{
#if defined(BREAK_REFILL_UNCHECKED)
	generation = IN_PROGRESS;
	fine = true;
#elif defined(BREAK_REFILL_CHECK_THEN_STORE)
	fine = generation == g;
	if
	:: fine -> generation = IN_PROGRESS
	:: else
	fi;
#else
	d_step {
		fine = generation == g;
		if
		:: fine -> generation = IN_PROGRESS
		:: else
		fi
	};
#endif
	if
	:: fine -> generate()
	:: else
	fi
}

inline reseed()
{
#ifndef BREAK_IN_PROGRESS_AFTER_SYSCALL
	generation = IN_PROGRESS;
#endif
	d_step { notice(); key = next_seed << 4; next_seed++ };
#ifdef BREAK_IN_PROGRESS_AFTER_SYSCALL
	generation = IN_PROGRESS;
#endif
#ifdef BREAK_G_AFTER_SYSCALL
	g = kernel_generation;
#endif
	generate()
}

inline fill()
{
	do
	:: got == length -> fine = true; break
	:: else ->
		loaded = avail;
		if
		:: direct && loaded > 0 ->
			n = 1;
			claim()
#ifdef BREAK_DIRECT_FROM_KEY
		:: direct ->
			/* Output first, and the key replaced only later. */
			d_step { word[got] = key; got++ };
			refill();
			if
			:: !fine -> break
			:: else
			fi
#endif
		:: else ->
			n = (length - got < loaded -> length - got : loaded);
			claim();
			if
			:: got < length ->
				refill();
				if
				:: !fine -> break
				:: else
				fi
			:: else
			fi
		fi
	od
}

/* A request that fits into registers: served from the batch or not at all. */
inline draw_small()
{
	loaded = avail;
	if
	:: loaded >= length ->
		n = length;
#ifdef BREAK_CHECK_EARLY
		d_step { load_state_generation() };
#endif
#ifdef BREAK_CLOCK_EARLY
		clock = hypervisor;
#endif
		g = kernel_generation;
		claim();
		check()
	:: else
	fi
}

inline draw()
{
	large = true;
	do
	:: tries < 2 && !served ->
		d_step { got = 0; g = kernel_generation };
		fine = true;
		if
		:: generation != g ->
			reseed();
			if
			:: !fine -> break
			:: else
			fi
		:: else
		fi;
#ifdef BREAK_CHECK_EARLY
		d_step { load_state_generation() };
#endif
#ifdef BREAK_CLOCK_EARLY
		clock = hypervisor;
#endif
		fill();
		if
		:: fine -> check()
		:: else
		fi;
		if
		:: !served -> leave_in_buffer()
		:: else
		fi;
		tries++
	:: else -> break
	od
}

/* Leave nothing behind that would make equal situations look different. */
inline forget()
{
	d_step {
		length = 0; tries = 0; g = 0; loaded = 0; checked = 0; oldest = 0;
		sum_generation = 0; sum_noticed = 0; sum_oldest = 0; clock = 0;
		k = 0; i = 0; n = 0; got = 0; large = false; direct = false; fine = false;
		word[0] = 0; word[1] = 0; word[2] = 0;
		in_call = false; signalled = false
	}
}

inline call()
{
	if
	:: length == 1 && !direct -> draw_small()
	:: else
	fi;
	if
	:: !served -> draw()
	:: else
	fi
}

#ifdef BREAK_RESUME
/*
 * A handler that draws one word while the call below it waits and then goes on. Its own
 * draw is a small one from the batch, which is enough to break the rules.
 */
active proctype handler()
{
	byte pos, w, seen;

end:	do
	:: signalled && in_call ->
		pos = avail;
		if
		:: pos > 0 ->
			avail = pos - 1;
			w = batch[pos - 1];
			batch[pos - 1] = 0;
			d_step {
				seen = generation;
				if
				:: seen == kernel_generation && seen != 0 ->
					assert(seed_of(w) > 0);
					assert(!is_returned(w));
					note_returned(w)
				:: else
				fi
			}
		:: else
		fi;
		d_step { signalled = false; pos = 0; w = 0; seen = 0 }
	od
}
#endif

active proctype thread()
#ifdef BREAK_RESUME
	provided (!signalled)
#endif
{
	byte calls = 0;

	do
	:: calls < CALLS ->
		calls++;
		d_step { served = false; in_call = true };
		if
		:: length = 1
		:: length = 3
		:: d_step { length = 1; direct = true }
		fi;
#ifdef BREAK_RESUME
		call();
#else
		{ call() } unless { signalled -> leave_in_buffer() };
#endif
		forget()
	:: else -> break
	od;

	/*
	 * Quiet from here on: two calls at most, and the vDSO has to serve. A clone that
	 * nobody has noticed has the system call serve a request first.
	 */
	quiet = true;
	d_step { notice(); served = false; length = 3 };
	call();
	assert(served);
	forget()
}

active proctype world()
{
	do
	:: d_step { !quiet && wipes > 0 ->
		wipes--;
		generation = 0; avail = 0; key = 0; batch[0] = 0; batch[1] = 0;
		oldest_after_wipe = next_seed
	   }
	:: d_step { !quiet && reseeds > 0 ->
		reseeds--;
		kernel_generation++;
		oldest_after_reseed = next_seed
	   }
	:: d_step { !quiet && clones > 0 ->
		clones--;
		hypervisor++;
		oldest_after_clone = next_seed
	   }
	:: d_step { !quiet && hypervisor != noticed -> notice() }
	:: d_step { !quiet && signals > 0 && in_call && !signalled ->
		signals--;
		signalled = true
	   }
	:: quiet -> break
	od
}
