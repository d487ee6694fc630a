# SPDX-License-Identifier: GPL-2.0
# Draws results/bench-*.csv as one picture: how many times faster than mainline's vDSO
# (left) and than the system call (right), by size, for each processor that was measured.
# gnuplot -e 'files="results/bench-*.csv ..."; svg="bench/speedup.svg"' bench/speedup.gp
set terminal svg size 1180,430 dynamic font "sans-serif,13" background rgb "white"
set output svg
set datafile separator ","
set xlabel "bytes a call"
set logscale xy
set xrange [4:65536]
set xtics ("4" 4, "16" 16, "64" 64, "256" 256, "1 Ki" 1024, "4 Ki" 4096, "64 Ki" 65536)
set grid xtics ytics lc rgb "#dddddd"
set format y "%g×"
set ytics (1, 2, 3, 5, 10, 20, 50, 100)

# Quotients of the medians of one thread, where the size is a plain number.
quotient(level, other, file) = sprintf("< awk -F, '$1 == \"%s\" && $2 == 1 && $3 ~ /^[0-9]+$/ " \
	. "{ ns[$4, $3] = $6; size[$3] } END { for (s in size) if (ns[\"vdso\", s] && ns[\"%s\", s]) " \
	. "print s \",\" ns[\"%s\", s] / ns[\"vdso\", s] }' %s | sort -n", level, other, other, file)
processor(file) = system(sprintf("sed -n '1s/^# \\([^,]*\\), .*/\\1/p' %s | sed 's/([RT]M*)//g; s/ Processor//; s/ (family \\([0-9]*\\) model \\([0-9]*\\))/ \\1-\\2/'", file))
levels(file) = system(sprintf("awk -F, '!/^#/ && $1 != \"level\" && !seen[$1]++ { print $1 }' %s", file))
name(level) = level eq "sse2" ? "SSE2" : level eq "avx2" ? "AVX2" : level eq "avx512vl" ? "AVX-512VL" : "AVX-512"
colour(i) = word("#9ecae1 #6baed6 #3182bd #08519c", i)
mark(f) = int(word("7 5 9 13", f))

set multiplot layout 1,2
unset key
do for [other in "mainline syscall"] {
	left = other eq "mainline" ? 0.05 : 0.44
	set lmargin at screen left
	set rmargin at screen left + 0.34
	set title other eq "mainline" ? "faster than mainline's vDSO" : "faster than the system call"
	plot [4:65536] [1:*] for [f = 1:words(files)] for [i = 1:words(levels(word(files, f)))] \
		quotient(word(levels(word(files, f)), i), other, word(files, f)) using 1:2 \
		with linespoints lw 2.5 pt mark(f) ps 0.5 lc rgb colour(i) \
		title processor(word(files, f)).", ".name(word(levels(word(files, f)), i)) noenhanced
	set key at screen 0.99, screen 0.9 top right samplen 2
}
unset multiplot
