# SPDX-License-Identifier: GPL-2.0
# Draws bench.csv as bench.svg: gnuplot -e 'csv="..."; svg="..."; machine="..."' plot.gp
set terminal svg size 900,620 dynamic font "sans-serif,13" background rgb "white"
set output svg
set datafile separator ","
set title sprintf("getrandom() in the vDSO, median of one thread\n{/*0.8 %s}", machine)
set xlabel "bytes"
set ylabel "ns a call"
set logscale xy
set xrange [4:1048576]
set xtics ("4" 4, "8" 8, "16" 16, "32" 32, "64" 64, "128" 128, "256" 256, "1 Ki" 1024, \
	   "4 Ki" 4096, "64 Ki" 65536, "1 Mi" 1048576)
set format y "%.0f"
set grid xtics ytics lc rgb "#dddddd"
set key top left reverse Left samplen 3

# Sizes and medians of one subject at one level, where size is a plain number.
series(level, subject) = sprintf("< awk -F, '$1 == \"%s\" && $2 == 1 && $4 == \"%s\" && " \
	. "$3 ~ /^[0-9]+$/ { print $3 \",\" $6 }' %s", level, subject, csv)
levels = system(sprintf("awk -F, 'NR > 1 && !seen[$1]++ { print $1 }' %s", csv))
top = word(levels, words(levels))
others = system(sprintf("awk -F, '$2 == 1 && $3 ~ /^[0-9]+$/ && $4 != \"vdso\" && !seen[$4]++ " \
	. "{ print $4 }' %s", csv))

# From one colour to the next; ours are thick and blue, the others thin.
blue(i) = word("#9ecae1 #6baed6 #3182bd #08519c", 4 - words(levels) + i)
plain(i) = word("#d62728 #555555 #999999 #bcbd22 #9467bd #ff7f0e #2ca02c", i)

plot for [i = 1:words(levels)] series(word(levels, i), "vdso") using 1:2 with linespoints \
		lw 3 pt 7 ps 0.6 lc rgb blue(i) title "this series, ".word(levels, i), \
     for [i = 1:words(others)] series(top, word(others, i)) using 1:2 with linespoints \
		lw 1.5 pt 6 ps 0.4 lc rgb plain(i) title word(others, i) noenhanced
