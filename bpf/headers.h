/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/* Wire formats and constants that linux/ user headers lack, and helpers to walk over a packet. */

#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define AF_INET		 2
#define IP_MF		 0x2000
#define IP_OFFSET	 0x1fff
#define IP_DEFAULT_TTL	 64
#define TCP_LONGEST	 60
#define TCP_OFFSET	 12   /* byte of the TCP header whose upper half is its length in words */
#define TCP_FLAGS	 13   /* byte of the TCP header */
#define TCP_ENDING	 0x07 /* FIN, SYN, RST */
#define TCP_FLUSHING	 0x2f /* with these (URG, PSH too) GRO waits for nothing */
#define IP_LONGEST	 60   /* with options */
#define VLAN_VID_MASK	 0xfff
#define IP_OPTION_WORDS	 10
#define ECN_MASK	 3
#define ECN_ECT_1	 1
#define ECN_ECT_0	 2
#define ECN_CE		 3
#define VXLAN_FLAG_VNI	 0x08000000 /* RFC 7348: the I flag, all other bits reserved */
#define VXLAN_VNI_SHIFT	 8
#define IPV4_PREFIX_BITS 96 /* of an IPv4 address in its 16-byte form */

struct vxlan_header {
	__be32 flags;
	__be32 vni; /* upper 24 bits */
};

/* What stands between the outer Ethernet header and the inner IP header. */
struct tunnel_header {
	struct iphdr ip;
	struct udphdr udp;
	struct vxlan_header vxlan;
	struct ethhdr inner;
} __attribute__((packed));

#define TUNNEL_OVERHEAD sizeof(struct tunnel_header)

_Static_assert(TUNNEL_OVERHEAD == 50, "IPv4, UDP, VXLAN and inner Ethernet are 50 bytes");

/* A place in the packet and its end. Every read goes through take(), which checks the bound. It
 * begins in a struct __sk_buff or a struct xdp_md. */
struct cursor {
	void *at;
	void *end;
};

#define cursor_begin(packet)                                                                       \
	((struct cursor){                                                                          \
	    .at = (void *)(long)(packet)->data,                                                    \
	    .end = (void *)(long)(packet)->data_end,                                               \
	})

/* The next `size` bytes, or NULL when the packet ends before. */
static __always_inline void *cursor_take(struct cursor *cursor, __u32 size)
{
	void *header = cursor->at;

	if (header + size > cursor->end)
		return NULL;
	/* Else clang compares the pointer with 0 for the caller, which wants CAP_PERFMON. */
	__builtin_assume(header != NULL);
	cursor->at = header + size;
	return header;
}

/* Skips IP options, 0 to 10 words. One by one: without CAP_PERFMON the verifier lets only constants
 * be added to a packet pointer. */
static __always_inline bool cursor_skip_options(struct cursor *cursor, __u32 words)
{
#pragma unroll
	for (__u32 i = 0; i < IP_OPTION_WORDS; i++) {
		if (i < words && !cursor_take(cursor, sizeof(__u32)))
			return false;
	}
	return true;
}

/* An IPv4 address in the form the maps have. */
static __always_inline void map_ipv4(__u8 to[16], __be32 address)
{
	__u32 *words = (__u32 *)to;

	words[0] = 0;
	words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = address;
}

static __always_inline __be32 mapped_ipv4(const __u8 from[16])
{
	return ((const __u32 *)from)[3];
}

static __always_inline bool same_address(const __u8 a[16], const __u8 b[16])
{
	const __u32 *x = (const __u32 *)a, *y = (const __u32 *)b;

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && x[3] == y[3];
}

static __always_inline bool same_mac(const __u8 a[ETH_ALEN], const __u8 b[ETH_ALEN])
{
	const __u16 *x = (const __u16 *)a, *y = (const __u16 *)b;

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2];
}

/* What a routed hop does (RFC 1812, 5.3.1), with the checksum kept true (RFC 1624). */
static __always_inline void decrease_ttl(struct iphdr *ip)
{
	__u32 sum = (__u32)ip->check + bpf_htons(0x0100);

	ip->check = (__sum16)(sum + (sum >= 0xffff));
	ip->ttl--;
}

static __always_inline __sum16 ip_checksum(const struct iphdr *ip)
{
	const __u16 *words = (const __u16 *)ip;
	__u32 sum = 0;

#pragma unroll
	for (int i = 0; i < (int)(sizeof(*ip) / sizeof(*words)); i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__sum16)~sum;
}
