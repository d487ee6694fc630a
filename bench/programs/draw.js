// SPDX-License-Identifier: GPL-2.0
// draw.js - the time of randomBytes(16), in nanoseconds of processor time
const { randomBytes } = require('crypto');

const COUNT = 60000;

function draw(count) {
	for (let i = 0; i < count; i++)
		randomBytes(16);
}

draw(COUNT / 4);
const start = process.cpuUsage();
draw(COUNT);
const { user, system } = process.cpuUsage(start);
console.log((user + system) * 1000 / COUNT);
