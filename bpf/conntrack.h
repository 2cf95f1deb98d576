/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/*
 * What lane 2 reads of a conntrack entry. Only the members that are used: CO-RE finds their places
 * in the running kernel (net/netfilter/nf_conntrack_bpf.c, include/net/netfilter/nf_conntrack.h).
 */

#include "headers.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

union nf_inet_addr {
	__be32 ip;
};

union nf_conntrack_man_proto {
	__be16 all;
};

struct nf_conntrack_man {
	union nf_inet_addr u3;
	union nf_conntrack_man_proto u;
};

struct nf_conntrack_tuple {
	struct nf_conntrack_man src;
	struct {
		union nf_inet_addr u3;
		union {
			__be16 all;
		} u;
	} dst;
};

struct nf_conntrack_tuple_hash {
	struct nf_conntrack_tuple tuple;
};

struct ip_ct_tcp {
	__u8 state;
};

union nf_conntrack_proto {
	struct ip_ct_tcp tcp;
};

struct nf_conn {
	__u32 timeout; /* jiffies */
	struct nf_conntrack_tuple_hash tuplehash[2];
	unsigned long status;
	__u32 mark;
	union nf_conntrack_proto proto;
};

#pragma clang attribute pop

struct bpf_ct_opts {
	__s32 netns_id;
	__s32 error;
	__u8 l4proto;
	__u8 dir; /* out: which of the two directions the packet travels */
	__u8 reserved[2];
};

#define BPF_F_CURRENT_NETNS	  (-1)
#define TCP_CONNTRACK_ESTABLISHED 3
#define CT_ORIGINAL		  0
#define CT_REPLY		  1
/* enum ip_conntrack_status (linux/netfilter/nf_conntrack_common.h), by bit. */
#define CT_CONFIRMED	     (1 << 3)
#define CT_TRANSLATED	     (1 << 4 | 1 << 5) /* source, destination */
#define CT_SEQUENCE_ADJUSTED (1 << 6)
#define CT_DYING	     (1 << 9)
#define CT_ASSURED	     (1 << 2)
#define CT_UNTRACKABLE	     (1 << 12 | 1 << 13) /* address clash, helper */
#define CT_OFFLOADED	     (1 << 14 | 1 << 15)

extern struct nf_conn *bpf_skb_ct_lookup(struct __sk_buff *skb, struct bpf_sock_tuple *tuple,
					 __u32 tuple_size, struct bpf_ct_opts *opts,
					 __u32 opts_size) __ksym;
extern void bpf_ct_release(struct nf_conn *connection) __ksym;
