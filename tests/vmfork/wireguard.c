// SPDX-License-Identifier: GPL-2.0
/*
 * wireguard - two WireGuard peers in one guest, which agree on a new key or do not
 *
 * wg0 is in this network namespace and wg1 in another one; the packets between them go
 * over the loopback device of the former, as both devices were made there. Commands come
 * in lines on standard output, which is open for reading as well:
 *
 *	send N	send N packets from wg0 to wg1, each when the one before has arrived;
 *		says "handshake TIME", that of the last one
 *	flood	send packets without end from now on, and wait for none to arrive; says
 *		"flooding" once there have been many
 *	sessions	say "sessions INDEX:PACKETS...", by the receiver's index: how many
 *		packets with data were on the loopback device since the start
 *	last INDEX	say "last COUNTER:TIME...", of the last packets in that session: the
 *		counter in the packet, and when it was sent, in nanoseconds
 *	watch	wait until the kernel tells of a clone; says "noticed kmsg"
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/time_types.h>
#include <linux/wireguard.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "watch.h"

#define PORT	7	/* of the packets in the tunnel */
#define SESSIONS	64
#define LAST		256	/* packets of a session that are remembered */
#define FLOOD		1000	/* packets until it counts as one */
#define CAPTURE_SIZE	(8 << 20)
#define DATA_MESSAGE	4	/* the type of WireGuard's messages with data */

struct peer {
	const char *device;
	const char *address;		/* in the tunnel */
	uint16_t port;			/* on the loopback device */
	int namespace;
	unsigned char public_key[WG_KEY_LEN];
};

struct sent {
	uint64_t counter;
	uint64_t time;			/* in nanoseconds */
};

struct session {
	uint32_t receiver;
	unsigned long packets;
	struct sent last[LAST];
};

/* A packet on the loopback device. */
struct captured {
	struct iphdr ip;
	struct udphdr udp;
	uint32_t type;			/* little-endian, as all of it */
	uint32_t receiver;
	uint64_t counter;
} __attribute__((packed));

struct message {
	struct nlmsghdr header;
	char payload[4096];
};

static struct peer peers[] = {
	{ .device = "wg0", .address = "10.0.0.1", .port = 51820 },
	{ .device = "wg1", .address = "10.0.0.2", .port = 51821 },
};

static struct session sessions[SESSIONS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* of the sessions */
static int fds[2], capture;

static struct peer *other(const struct peer *p)
{
	return &peers[p == peers];
}

static void enter(const struct peer *p)
{
	if (setns(p->namespace, CLONE_NEWNET))
		err(1, "setns");
}

static void *end_of(struct message *m)
{
	return (char *)m + NLMSG_ALIGN(m->header.nlmsg_len);
}

static void begin(struct message *m, int type, int flags, const void *header, size_t len)
{
	memset(m, 0, sizeof(*m));
	m->header.nlmsg_type = type;
	m->header.nlmsg_flags = NLM_F_REQUEST | flags;
	memcpy(m->payload, header, len);
	m->header.nlmsg_len = NLMSG_LENGTH(len);
}

static struct nlattr *add(struct message *m, int type, const void *data, size_t len)
{
	struct nlattr *attr = end_of(m);

	attr->nla_type = type;
	attr->nla_len = NLA_HDRLEN + len;
	memcpy((char *)attr + NLA_HDRLEN, data, len);
	m->header.nlmsg_len = NLMSG_ALIGN(m->header.nlmsg_len) + NLA_ALIGN(attr->nla_len);
	return attr;
}

static struct nlattr *nest(struct message *m, int type)
{
	return add(m, type | NLA_F_NESTED, "", 0);
}

static void end_nest(struct message *m, struct nlattr *attr)
{
	attr->nla_len = (char *)end_of(m) - (char *)attr;
}

/* Sends a request and leaves the first answer in its place. */
static void request(struct message *m, int protocol)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	const struct nlmsgerr *error = (struct nlmsgerr *)m->payload;

	if (fd < 0 || send(fd, m, m->header.nlmsg_len, 0) < 0 || recv(fd, m, sizeof(*m), 0) < 0)
		err(1, "netlink");
	close(fd);
	if (m->header.nlmsg_type == NLMSG_ERROR && error->error) {
		errno = -error->error;
		err(1, "a netlink request");
	}
}

/* The attribute of that type among those in @len bytes. */
static void *find(void *attrs, size_t len, int type)
{
	char *at = attrs, *end = at + len;

	while (at + NLA_HDRLEN <= end) {
		struct nlattr *attr = (struct nlattr *)at;

		if ((attr->nla_type & NLA_TYPE_MASK) == type)
			return attr;
		at += NLA_ALIGN(attr->nla_len);
	}
	errx(1, "an answer lacks attribute %d", type);
}

static void *data(struct nlattr *attr)
{
	return (char *)attr + NLA_HDRLEN;
}

static void *find_in(struct nlattr *attr, int type)
{
	return find(data(attr), attr->nla_len - NLA_HDRLEN, type);
}

static void *find_in_answer(struct message *m, int type)
{
	const size_t header = NLMSG_LENGTH(GENL_HDRLEN);

	return find((char *)m + header, m->header.nlmsg_len - header, type);
}

static int wireguard_family(void)
{
	const struct genlmsghdr header = { .cmd = CTRL_CMD_GETFAMILY, .version = 1 };
	static uint16_t family;
	struct message m;

	if (family)
		return family;
	begin(&m, GENL_ID_CTRL, 0, &header, sizeof(header));
	add(&m, CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME, sizeof(WG_GENL_NAME));
	request(&m, NETLINK_GENERIC);
	family = *(uint16_t *)data(find_in_answer(&m, CTRL_ATTR_FAMILY_ID));
	return family;
}

static void begin_wireguard(struct message *m, int command, int flags, const struct peer *p)
{
	const struct genlmsghdr header = { .cmd = command, .version = WG_GENL_VERSION };

	begin(m, wireguard_family(), flags, &header, sizeof(header));
	add(m, WGDEVICE_A_IFNAME, p->device, strlen(p->device) + 1);
}

static void create_device(const struct peer *p)
{
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
	struct nlattr *info;
	struct message m;

	begin(&m, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	add(&m, IFLA_IFNAME, p->device, strlen(p->device) + 1);
	add(&m, IFLA_NET_NS_FD, &p->namespace, sizeof(p->namespace));
	info = nest(&m, IFLA_LINKINFO);
	add(&m, IFLA_INFO_KIND, "wireguard", strlen("wireguard"));
	end_nest(&m, info);
	request(&m, NETLINK_ROUTE);
}

static void set_key(struct peer *p)
{
	unsigned char key[WG_KEY_LEN];
	struct message m;

	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		err(1, "getrandom");
	begin_wireguard(&m, WG_CMD_SET_DEVICE, NLM_F_ACK, p);
	add(&m, WGDEVICE_A_PRIVATE_KEY, key, sizeof(key));
	add(&m, WGDEVICE_A_LISTEN_PORT, &p->port, sizeof(p->port));
	request(&m, NETLINK_GENERIC);

	begin_wireguard(&m, WG_CMD_GET_DEVICE, NLM_F_DUMP, p);
	request(&m, NETLINK_GENERIC);
	memcpy(p->public_key, data(find_in_answer(&m, WGDEVICE_A_PUBLIC_KEY)), WG_KEY_LEN);
}

static void add_allowed_address(struct message *m, const struct peer *p)
{
	struct nlattr *list = nest(m, WGPEER_A_ALLOWEDIPS);
	struct nlattr *entry = nest(m, 0);
	const uint16_t family = AF_INET;
	const uint8_t mask = 32;
	struct in_addr address;

	inet_pton(AF_INET, p->address, &address);
	add(m, WGALLOWEDIP_A_FAMILY, &family, sizeof(family));
	add(m, WGALLOWEDIP_A_IPADDR, &address, sizeof(address));
	add(m, WGALLOWEDIP_A_CIDR_MASK, &mask, sizeof(mask));
	end_nest(m, entry);
	end_nest(m, list);
}

static void set_peer(const struct peer *p)
{
	const struct sockaddr_in endpoint = {
		.sin_family = AF_INET,
		.sin_port = htons(other(p)->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct nlattr *list, *entry;
	struct message m;

	begin_wireguard(&m, WG_CMD_SET_DEVICE, NLM_F_ACK, p);
	list = nest(&m, WGDEVICE_A_PEERS);
	entry = nest(&m, 0);
	add(&m, WGPEER_A_PUBLIC_KEY, other(p)->public_key, WG_KEY_LEN);
	add(&m, WGPEER_A_ENDPOINT, &endpoint, sizeof(endpoint));
	add_allowed_address(&m, other(p));
	end_nest(&m, entry);
	end_nest(&m, list);
	request(&m, NETLINK_GENERIC);
}

static struct sockaddr_in tunnel_address(const struct peer *p)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	inet_pton(AF_INET, p->address, &address.sin_addr);
	return address;
}

static struct ifreq device_request(const struct peer *p)
{
	struct ifreq ifr = { 0 };

	strncpy(ifr.ifr_name, p->device, IFNAMSIZ - 1);
	return ifr;
}

/* Gives the device its address; returns a socket of that address. */
static int open_tunnel(const struct peer *p)
{
	struct sockaddr_in address = tunnel_address(p);
	struct sockaddr_in mask = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(~0U << 8) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = device_request(p);

	memcpy(&ifr.ifr_addr, &address, sizeof(address));
	if (fd < 0 || ioctl(fd, SIOCSIFADDR, &ifr))
		err(1, "address of %s", p->device);
	memcpy(&ifr.ifr_netmask, &mask, sizeof(mask));
	if (ioctl(fd, SIOCSIFNETMASK, &ifr))
		err(1, "mask of %s", p->device);
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr))
		err(1, "raising %s", p->device);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		err(1, "bind");
	return fd;
}

static void open_namespaces(void)
{
	size_t i;

	for (i = 0; i < 2; i++) {
		if (i && unshare(CLONE_NEWNET))
			err(1, "unshare");
		peers[i].namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		if (peers[i].namespace < 0)
			err(1, "network namespace");
	}
	enter(&peers[0]);
}

static void open_tunnels(void)
{
	size_t i;

	open_namespaces();
	for (i = 0; i < 2; i++)
		create_device(&peers[i]);
	for (i = 0; i < 2; i++) {
		enter(&peers[i]);
		set_key(&peers[i]);
	}
	for (i = 0; i < 2; i++) {
		enter(&peers[i]);
		set_peer(&peers[i]);
		fds[i] = open_tunnel(&peers[i]);
	}
	enter(&peers[0]);
}

static void print_handshake(void)
{
	struct __kernel_timespec time;
	struct nlattr *list, *entry;
	struct message m;

	begin_wireguard(&m, WG_CMD_GET_DEVICE, NLM_F_DUMP, &peers[0]);
	request(&m, NETLINK_GENERIC);
	list = find_in_answer(&m, WGDEVICE_A_PEERS);
	entry = find_in(list, 0);
	memcpy(&time, data(find_in(entry, WGPEER_A_LAST_HANDSHAKE_TIME)), sizeof(time));
	printf("handshake %lld.%09lld\n", (long long)time.tv_sec, (long long)time.tv_nsec);
}

static void send_packet(void)
{
	const struct sockaddr_in to = tunnel_address(&peers[1]);
	const char packet[] = "packet";

	if (sendto(fds[0], packet, sizeof(packet), 0, (const struct sockaddr *)&to,
		   sizeof(to)) < 0)
		err(1, "a packet into the tunnel");
}

static void send_packets(unsigned long n)
{
	char packet[16];

	while (n--) {
		send_packet();
		if (recv(fds[1], packet, sizeof(packet), 0) < 0)
			err(1, "a packet out of the tunnel");
	}
	print_handshake();
}

/* Keeps the packets until they are counted. */
static void start_capture(void)
{
	const int size = CAPTURE_SIZE, on = 1;

	capture = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_IP));
	if (capture < 0 ||
	    setsockopt(capture, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    setsockopt(capture, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)))
		err(1, "capturing packets");
}

static struct session *session_of(uint32_t receiver)
{
	size_t i;

	for (i = 0; i < SESSIONS && sessions[i].packets; i++)
		if (sessions[i].receiver == receiver)
			return &sessions[i];
	if (i == SESSIONS)
		errx(1, "more than %d sessions", SESSIONS);
	sessions[i].receiver = receiver;
	return &sessions[i];
}

static void count_packet(const struct captured *packet, const struct timespec *time)
{
	struct session *session = session_of(packet->receiver);

	session->last[session->packets++ % LAST] = (struct sent){
		.counter = packet->counter,
		.time = time->tv_sec * 1000000000ULL + time->tv_nsec,
	};
}

/* Returns how many there were. */
static unsigned long count_packets(void)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(struct timespec))];
	} control;
	struct captured packet;
	struct iovec iov = { .iov_base = &packet, .iov_len = sizeof(packet) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	unsigned long n = 0;

	pthread_mutex_lock(&lock);
	for (;;) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		if (recvmsg(capture, &message, 0) != sizeof(packet))
			break;
		if (packet.ip.protocol != IPPROTO_UDP || packet.type != DATA_MESSAGE)
			continue;
		count_packet(&packet, (struct timespec *)CMSG_DATA(&control.header));
		n++;
	}
	pthread_mutex_unlock(&lock);
	return n;
}

static void print_sessions(void)
{
	size_t i;

	count_packets();
	printf("sessions");
	for (i = 0; i < SESSIONS && sessions[i].packets; i++)
		printf(" %#x:%lu", sessions[i].receiver, sessions[i].packets);
	printf("\n");
}

static void print_last(uint32_t receiver)
{
	const struct session *session;
	unsigned long i;

	pthread_mutex_lock(&lock);
	session = session_of(receiver);
	printf("last");
	for (i = session->packets < LAST ? 0 : session->packets - LAST; i < session->packets; i++)
		printf(" %llu:%llu", (unsigned long long)session->last[i % LAST].counter,
		       (unsigned long long)session->last[i % LAST].time);
	printf("\n");
	pthread_mutex_unlock(&lock);
}

static void *flood(void *arg)
{
	unsigned long n = 0;
	char packet[16];

	for (;;) {
		send_packet();
		while (recv(fds[1], packet, sizeof(packet), MSG_DONTWAIT) > 0)
			;
		if (n < FLOOD) {
			n += count_packets();
			if (n >= FLOOD)
				printf("flooding\n");
		} else {
			count_packets();
		}
	}
	return arg;
}

static void start_flood(void)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, flood, NULL);
	if (errno)
		err(1, "a thread");
}

int main(void)
{
	FILE *in = fdopen(dup(STDOUT_FILENO), "r");
	int kmsg = open("/dev/kmsg", O_RDONLY | O_CLOEXEC);
	char line[64];
	unsigned long n;
	uint32_t receiver;

	setvbuf(stdout, NULL, _IOLBF, 0);
	open_tunnels();
	start_capture();
	printf("memory\nvdso 0\n");	/* no memory for the host to read */
	while (in && fgets(line, sizeof(line), in)) {
		if (sscanf(line, "send %lu", &n) == 1) {
			send_packets(n);
		} else if (!strcmp(line, "flood\n")) {
			start_flood();
		} else if (!strcmp(line, "sessions\n")) {
			print_sessions();
		} else if (sscanf(line, "last %x", &receiver) == 1) {
			print_last(receiver);
		} else if (!strcmp(line, "watch\n")) {
			wait_for_kernel_message(kmsg);
			printf("noticed kmsg\n");
		}
	}
	err(1, "no more commands");
}
