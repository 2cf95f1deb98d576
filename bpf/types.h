/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/*
 * Layouts shared by the programs and the agent: keys and values of the maps. The agent's side is
 * checked against the object's BTF by a test, so a change here that is not made there fails the
 * build.
 *
 * Addresses of either family are 16 bytes, IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2): one schema
 * and one body of code for both. Field names are what `bpftool map dump` prints; they are meant to
 * be read without this file.
 */

/* What a packet is sent by. */
enum transport {
	TRANSPORT_NONE = 0,
	TRANSPORT_LOCAL = 1, /* our own subnet: never encapsulated */
	TRANSPORT_VXLAN = 2,
	TRANSPORT_DIRECT = 3, /* by a plain route, not by a lane */
};

/* How strictly packets that come in are judged; --guard. */
enum guard_mode {
	GUARD_OFF = 0,
	GUARD_OBSERVE = 1, /* count what would be refused, pass it on */
	GUARD_VTEP = 2,	   /* refuse unknown senders and forged inner sources */
	GUARD_STRICT = 3,  /* and fragments of outer packets */
};

/* When lane 2 may carry a packet; --shortcut. */
enum shortcut_mode {
	SHORTCUT_OFF = 0,
	SHORTCUT_ESTABLISHED = 1, /* with the proof that netfilter has accepted the flow */
	SHORTCUT_ALWAYS = 2,	  /* the operator declares that no rule needs to see it */
};

/* What lane 1 in decapsulates; --tunnel-in. */
enum tunnel_in {
	TUNNEL_IN_DRIVER = 0, /* nothing; the guard judges all the same */
	TUNNEL_IN_AUTO = 1,   /* what the driver's GRO would not make larger */
	TUNNEL_IN_BPF = 2,    /* every packet that is no aggregate already */
};

/* What lane 3, on the wire, does with packets of ours that the guard lets in; --xdp. */
enum early_in {
	EARLY_IN_GUARD = 0,	  /* nothing: the lanes behind it decapsulate */
	EARLY_IN_DECAPSULATE = 1, /* takes the outer headers off before GRO */
};

/* Index into lane_stats. */
enum lane {
	LANE_1_OUT = 0,
	LANE_1_IN = 1,
	LANE_2_OUT = 2,
	LANE_2_IN = 3,
	LANE_3_IN = 4,
	LANE_COUNT = 5,
};

struct subnet_key {
	__u32 prefix_length; /* of the 128-bit address: 96 more than IPv4 says */
	__u8 address[16];
};

struct subnet_value {
	__u8 vtep[16]; /* underlay address of the node that has the subnet */
	__u8 vtep_mac[6];
	__u8 transport; /* enum transport */
	__u8 reserved;
};

struct vtep_key {
	__u8 address[16];
};

struct vtep_value {
	__u64 packets_out;
	__u64 bytes_out; /* of inner Ethernet frames, as the driver counts them */
	__u64 packets_in;
	__u64 bytes_in;
};

struct config_value {
	__u32 overlay_ifindex;
	__u32 underlay_ifindex;
	__u8 local[16]; /* source address of outer packets */
	__u8 overlay_mac[6];
	__u8 guard; /* enum guard_mode */
	__u8 reserved;
	__u32 vni;
	__u16 port; /* host byte order, as the others */
	__u16 source_port_low;
	__u16 source_port_high;
	__u8 tunnel_in; /* enum tunnel_in */
	__u8 early_in;	/* enum early_in */
	__u8 underlay_mac[6];
	__u16 reserved2;
	__u32 cookie[2]; /* of struct arrival; zero: lane 3 decapsulates nothing */
	/* How the network is cut: subnet_slots[i] is of the 2^slot_shift addresses from slots_begin
	 * + (i << slot_shift) on, for each i below `slots`; 0 while the slots are written anew. */
	__u32 slots_begin;
	__u32 slots;
	__u8 slot_shift;
	__u8 reserved3[3];
};

/*
 * What lane 3 leaves before a packet that it has decapsulated (data_meta), for the programs at TC.
 * Only an XDP program can write there, and the cookie is drawn by the agent, so it is lane 3's
 * word. The same for all packets of a node: GRO merges only what has equal metadata.
 */
struct arrival {
	__u32 cookie[2];
	__u8 node_of_source; /* the sender is the node that has the inner source's subnet */
	__u8 reserved[3];
};

struct endpoint_key {
	__u8 address[16];
};

/* A container on this host, and where it is attached. */
struct endpoint_value {
	__u32 ifindex; /* the host's end of its veth */
	__u8 mac[6];
	__u8 gateway_mac[6]; /* of the bridge, or of the host's end: where its routed frames go */
	__u32 mtu;
	__u8 forwards; /* it passes packets on: must not get what still has tunnel GSO bits */
	__u8 reserved[3];
	__u64 slow_out_at; /* CLOCK_MONOTONIC, ns; kept by the programs */
	__u64 slow_in_at;
};

/* Lane 2's terms. One entry. */
struct shortcut_value {
	__u64 open_until;      /* CLOCK_MONOTONIC, ns: the agent that watches the rules is alive */
	__u32 accept_mask[2];  /* by conntrack direction: bits of the mark that are looked at */
	__u32 accept_value[2]; /* and what they must be: this generation, this direction */
	__u32 tcp_refresh;     /* jiffies: with less left, conntrack has to see a packet */
	__u32 udp_refresh;
	__u32 mtu; /* of flannel.<VNI> */
	__u8 mode; /* enum shortcut_mode */
	__u8 reserved[3];
};

/*
 * Why a lane did not take a packet. "passed": the packet went on to the next slower lane,
 * unmodified. "refused": the guard dropped it, or would have where it only observes.
 */
struct lane_counters {
	__u64 taken;
	__u64 passed_not_ipv4;
	__u64 passed_truncated;
	__u64 passed_ip_options;
	__u64 passed_fragment;
	__u64 passed_no_subnet;
	__u64 passed_other_transport;
	__u64 passed_no_next_hop;
	__u64 passed_too_big;
	__u64 passed_other_interface;
	__u64 passed_gso;
	__u64 passed_vlan;
	__u64 passed_other_port;
	__u64 passed_other_vni;
	__u64 passed_other_address;
	__u64 passed_ecn;
	__u64 passed_switched_off;
	__u64 passed_helper_failed;
	__u64 refused_unknown_vtep;
	__u64 refused_forged_source;
	__u64 refused_inner_vlan;
	__u64 passed_not_tcp_udp;
	__u64 passed_ttl;
	__u64 passed_no_endpoint;
	__u64 passed_not_routed;
	__u64 passed_foreign_source;
	__u64 passed_forwarder;
	__u64 passed_refresh;
	__u64 passed_no_connection;
	__u64 passed_not_accepted;
	__u64 passed_translated;
	__u64 passed_not_established;
	__u64 passed_expiring;
	__u64 refused_fragment;
	__u64 passed_stream;
	__u64 passed_in_tunnel;
};

/* The guard's verdicts, in the order of the refused_ counters. */
enum refusal_reason {
	REFUSED_UNKNOWN_VTEP = 0,
	REFUSED_FORGED_SOURCE = 1,
	REFUSED_INNER_VLAN = 2,
	REFUSED_FRAGMENT = 3,
};

/* A packet that the guard refused, for people to see: at most one each millisecond and CPU. */
struct refusal {
	__u64 at; /* CLOCK_MONOTONIC, ns */
	__u8 outer_source[16];
	__u8 inner_source[16]; /* zero unless the frame inside is IPv4 */
	__u8 inner_destination[16];
	__u32 length;	  /* of the outer frame, bytes */
	__u16 inner_type; /* ethertype of the frame inside */
	__u8 inner_protocol;
	__u8 reason;  /* enum refusal_reason */
	__u8 dropped; /* 0 where the guard only observes */
	__u8 reserved[3];
	__u32 ifindex; /* it came in by */
};

/* Senders beside the peers, by prefix (--guard-allow). A map has to have a value. */
struct allow_value {
	__u32 reserved;
};

#define MAX_SUBNETS   16384
#define MAX_SLOTS     65536
#define MAX_VTEPS     16384
#define MAX_ENDPOINTS 4096
#define MAX_ALLOWED   1024
#define REFUSAL_BYTES 65536 /* of the ring buffer: a power of two, whole pages of any machine */

_Static_assert(sizeof(struct subnet_key) == 20, "subnet_key has no hidden padding");
_Static_assert(sizeof(struct subnet_value) == 24, "subnet_value has no hidden padding");
_Static_assert(sizeof(struct vtep_key) == 16, "vtep_key has no hidden padding");
_Static_assert(sizeof(struct vtep_value) == 32, "vtep_value has no hidden padding");
_Static_assert(sizeof(struct config_value) == 72, "config_value has no hidden padding");
_Static_assert(sizeof(struct arrival) == 12, "metadata comes in words, 32 bytes at most");
_Static_assert(sizeof(struct endpoint_value) == 40, "endpoint_value has no hidden padding");
_Static_assert(sizeof(struct shortcut_value) == 40, "shortcut_value has no hidden padding");
_Static_assert(sizeof(struct refusal) == 72, "refusal has no hidden padding");
_Static_assert(sizeof(struct lane_counters) == 288, "lane_counters has no hidden padding");
