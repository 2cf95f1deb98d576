/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/*
 * Lane 2, the shortcut between a container and the wire: no bridge, no routing, no netfilter. So it
 * only carries what they have accepted already and do not change.
 *
 * The proof is a mark in the flow's conntrack entry, set by the last chain of our nftables table
 * for each direction: only what the whole stack has let through and routed the usual way gets
 * there. It carries a generation, and whatever could now decide otherwise (rules, routes, policy
 * rules) makes the agent begin a new one: every flow then proves itself again. An agent that does
 * not run cannot watch, so the lane closes by itself when it falls silent.
 */

#include "conntrack.h"
#include "decap.h"
#include "encap.h"

#define SLOW_EVERY_NS 10000000000ULL

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_ENDPOINTS);
	__type(key, struct endpoint_key);
	__type(value, struct endpoint_value);
} endpoints SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct shortcut_value);
} shortcut SEC(".maps");

static __always_inline struct endpoint_value *find_endpoint(__be32 address)
{
	struct endpoint_key key;

	map_ipv4(key.address, address);
	return bpf_map_lookup_elem(&endpoints, &key);
}

/* The terms, or NULL while the lane is closed. */
static __always_inline struct shortcut_value *open_shortcut(__u64 now)
{
	__u32 only = 0;
	struct shortcut_value *terms = bpf_map_lookup_elem(&shortcut, &only);

	return terms && terms->mode != SHORTCUT_OFF && now < terms->open_until ? terms : NULL;
}

/* The last header and what conntrack calls the flow. */
struct flow {
	struct bpf_sock_tuple tuple;
	__u32 header; /* bytes of the TCP or UDP header */
};

/* Finds the flow of a whole TCP or UDP packet that stays within it: no fragment, nothing that opens
 * or ends a connection. False (and counted) for everything else. */
static __always_inline bool take_flow(struct cursor *cursor, const struct iphdr *ip,
				      struct flow *flow, struct lane_counters *count)
{
	struct udphdr *ports;
	__u8 *tcp;

	if (ip->frag_off & bpf_htons(IP_MF | IP_OFFSET)) {
		tally(&count->passed_fragment);
		return false;
	}
	if (ip->ttl <= 1) {
		tally(&count->passed_ttl);
		return false;
	}
	if (ip->protocol == IPPROTO_TCP) {
		tcp = cursor_take(cursor, sizeof(struct tcphdr));
		if (!tcp) {
			tally(&count->passed_truncated);
			return false;
		}
		if (tcp[TCP_FLAGS] & TCP_ENDING) {
			tally(&count->passed_not_established);
			return false;
		}
		flow->header = (tcp[TCP_OFFSET] >> 4) * 4;
		ports = (struct udphdr *)tcp;
	} else if (ip->protocol == IPPROTO_UDP) {
		ports = cursor_take(cursor, sizeof(*ports));
		if (!ports) {
			tally(&count->passed_truncated);
			return false;
		}
		flow->header = sizeof(*ports);
	} else {
		tally(&count->passed_not_tcp_udp);
		return false;
	}
	flow->tuple.ipv4.saddr = ip->saddr;
	flow->tuple.ipv4.daddr = ip->daddr;
	flow->tuple.ipv4.sport = ports->source;
	flow->tuple.ipv4.dport = ports->dest;
	return true;
}

/* The longest packet this one is on the way to its receiver. */
static __always_inline __u32 packet_length(const struct __sk_buff *skb, const struct iphdr *ip,
					   const struct flow *flow)
{
	return skb->gso_size ? sizeof(*ip) + flow->header + skb->gso_size : bpf_ntohs(ip->tot_len);
}

/* IPVS changes only the reply's tuple, and says so nowhere else. */
static __always_inline bool is_inverse(const struct nf_conntrack_tuple *a,
				       const struct nf_conntrack_tuple *b)
{
	return a->src.u3.ip == b->dst.u3.ip && a->dst.u3.ip == b->src.u3.ip &&
	       a->src.u.all == b->dst.u.all && a->dst.u.all == b->src.u.all;
}

/* Whether addresses or ports have to be changed on the way. */
static __always_inline bool is_translated(const struct nf_conn *entry)
{
	return entry->status & CT_TRANSLATED ||
	       !is_inverse(&entry->tuplehash[CT_ORIGINAL].tuple, &entry->tuplehash[CT_REPLY].tuple);
}

/* Judges a conntrack entry for a packet of direction `dir`. */
static __always_inline bool entry_proves(const struct nf_conn *entry, __u8 dir, __u8 protocol,
					 const struct shortcut_value *terms,
					 struct lane_counters *count)
{
	unsigned long status = entry->status;
	__u32 refresh = terms->udp_refresh;
	__u32 mask = terms->accept_mask[CT_ORIGINAL], value = terms->accept_value[CT_ORIGINAL];

	if (dir == CT_REPLY) {
		mask = terms->accept_mask[CT_REPLY];
		value = terms->accept_value[CT_REPLY];
	}
	if (is_translated(entry)) {
		tally(&count->passed_translated);
		return false;
	}
	if ((entry->mark & mask) != value || !value) {
		tally(&count->passed_not_accepted);
		return false;
	}
	if ((status & (CT_CONFIRMED | CT_ASSURED)) != (CT_CONFIRMED | CT_ASSURED) ||
	    status & (CT_DYING | CT_SEQUENCE_ADJUSTED | CT_UNTRACKABLE | CT_OFFLOADED)) {
		tally(&count->passed_not_established);
		return false;
	}
	if (protocol == IPPROTO_TCP) {
		refresh = terms->tcp_refresh;
		if (entry->proto.tcp.state != TCP_CONNTRACK_ESTABLISHED) {
			tally(&count->passed_not_established);
			return false;
		}
	}
	/* Conntrack does not see what goes by here: before it forgets the flow, a packet goes its
	 * way. */
	if ((__s32)(entry->timeout - (__u32)bpf_jiffies64()) < (__s32)refresh) {
		tally(&count->passed_expiring);
		return false;
	}
	return true;
}

/* Whether netfilter has let this flow through in this direction, as things are now. */
static __always_inline bool is_accepted(struct __sk_buff *skb, struct flow *flow, __u8 protocol,
					const struct shortcut_value *terms,
					struct lane_counters *count)
{
	struct bpf_ct_opts opts = {.netns_id = BPF_F_CURRENT_NETNS, .l4proto = protocol};
	struct nf_conn *entry;
	bool accepted;

	entry = bpf_skb_ct_lookup(skb, &flow->tuple, sizeof(flow->tuple.ipv4), &opts, sizeof(opts));
	if (!entry) {
		if (terms->mode == SHORTCUT_ALWAYS)
			return true;
		tally(&count->passed_no_connection);
		return false;
	}
	if (terms->mode == SHORTCUT_ALWAYS) {
		/* No rule has to see it, but its addresses have to be changed. */
		accepted = !is_translated(entry);
		if (!accepted)
			tally(&count->passed_translated);
	} else {
		accepted = entry_proves(entry, opts.dir, protocol, terms, count);
	}
	bpf_ct_release(entry);
	return accepted;
}

/* One packet in ten seconds goes the long way, so that bridge and neighbour table know that the
 * container is still there. */
static __always_inline bool slow_turn(__u64 *slow_at, __u64 now)
{
	if (now < *slow_at)
		return false;
	*slow_at = now + SLOW_EVERY_NS;
	return true;
}

/* From a container's veth to the wire. */
static __always_inline int lane_2_out(struct __sk_buff *skb, const struct config_value *config,
				      struct lane_counters *count)
{
	__u64 now = bpf_ktime_get_coarse_ns();
	struct shortcut_value *terms = open_shortcut(now);
	struct cursor cursor = cursor_begin(skb);
	struct bpf_fib_lookup hop = {};
	struct endpoint_value *container;
	struct subnet_value subnet, *found;
	struct ethhdr *ethernet;
	struct flow flow = {};
	struct iphdr *inner;
	__u32 longest;

	if (!terms) {
		tally(&count->passed_switched_off);
		return TC_ACT_UNSPEC;
	}
	ethernet = cursor_take(&cursor, sizeof(*ethernet));
	if (!ethernet || ethernet->h_proto != bpf_htons(ETH_P_IP)) {
		tally(&count->passed_not_ipv4);
		return TC_ACT_UNSPEC;
	}
	if (skb->vlan_present) {
		tally(&count->passed_vlan);
		return TC_ACT_UNSPEC;
	}
	inner = take_inner(&cursor, skb, count);
	if (!inner)
		return TC_ACT_UNSPEC;
	/* What opens or ends a connection has been told apart before anything is looked up. */
	if (!take_flow(&cursor, inner, &flow, count))
		return TC_ACT_UNSPEC;
	found = find_tunnel(config, inner->daddr, count);
	if (!found)
		return TC_ACT_UNSPEC;
	/* The bridge would see what is not addressed to it, and rp_filter who lies about itself. */
	container = find_endpoint(inner->saddr);
	if (!container || container->ifindex != skb->ifindex ||
	    !same_mac(container->mac, ethernet->h_source)) {
		tally(&count->passed_foreign_source);
		return TC_ACT_UNSPEC;
	}
	if (!same_mac(container->gateway_mac, ethernet->h_dest)) {
		tally(&count->passed_not_routed);
		return TC_ACT_UNSPEC;
	}
	longest = packet_length(skb, inner, &flow);
	if (longest > terms->mtu) {
		tally(&count->passed_too_big);
		return TC_ACT_UNSPEC;
	}
	if (!is_accepted(skb, &flow, inner->protocol, terms, count))
		return TC_ACT_UNSPEC;
	if (slow_turn(&container->slow_out_at, now)) {
		tally(&count->passed_refresh);
		return TC_ACT_UNSPEC;
	}
	subnet = *found;
	if (!find_next_hop(skb, config, &subnet, longest + TUNNEL_OVERHEAD, &hop, count))
		return TC_ACT_UNSPEC;
	return encapsulate(skb, config, &subnet, &hop, bpf_ntohs(inner->tot_len), inner->tos, 1,
			   count);
}

/* A packet from the wire that the guard has let in, and what lane 2 has to know of it. */
struct incoming {
	const struct ethhdr *ethernet; /* inner */
	const struct iphdr *inner;
	bool node_of_source; /* see is_node_of_source(), for a node that we know */
	bool tunnel_gso;     /* an aggregate of tunnel packets */
};

/* The container that a packet may go straight into, NULL (and counted) for what lane 1 or the
 * driver has to look at. */
static __always_inline struct endpoint_value *
lane_2_receiver(struct __sk_buff *skb, const struct config_value *config,
		const struct shortcut_value *terms, const struct incoming *packet, __u64 now,
		struct lane_counters *count)
{
	struct cursor cursor = {
	    .at = (void *)(packet->inner + 1),
	    .end = (void *)(long)skb->data_end,
	};
	const struct iphdr *inner = packet->inner;
	struct endpoint_value *container;
	struct flow flow = {};

	if (!same_mac(packet->ethernet->h_dest, config->overlay_mac)) {
		tally(&count->passed_not_routed);
		return NULL;
	}
	if (inner->version != 4 || inner->ihl != sizeof(*inner) / 4) {
		tally(&count->passed_ip_options);
		return NULL;
	}
	/* Whatever the guard is told to let through, what comes from nowhere goes the long way. */
	if (!packet->node_of_source) {
		tally(&count->passed_foreign_source);
		return NULL;
	}
	if (!take_flow(&cursor, inner, &flow, count))
		return NULL;
	container = find_endpoint(inner->daddr);
	if (!container) {
		tally(&count->passed_no_endpoint);
		return NULL;
	}
	if (packet->tunnel_gso && container->forwards) {
		tally(&count->passed_forwarder);
		return NULL;
	}
	if (packet_length(skb, inner, &flow) > container->mtu) {
		tally(&count->passed_too_big);
		return NULL;
	}
	if (!is_accepted(skb, &flow, inner->protocol, terms, count))
		return NULL;
	if (slow_turn(&container->slow_in_at, now)) {
		tally(&count->passed_refresh);
		return NULL;
	}
	return container;
}

/* lane_2_receiver() for a packet with its outer headers. */
static __always_inline struct endpoint_value *
lane_2_tunnel_receiver(struct __sk_buff *skb, const struct config_value *config,
		       const struct vxlan_packet *packet, const struct sender *sender,
		       struct lane_counters *count)
{
	__u64 now = bpf_ktime_get_coarse_ns();
	struct shortcut_value *terms = open_shortcut(now);
	struct incoming incoming = {
	    .ethernet = packet->inner_ethernet,
	    .inner = packet->inner,
	    .node_of_source = sender->vtep && is_node_of_source(sender),
	    .tunnel_gso = skb->gso_size,
	};

	if (!terms) {
		tally(&count->passed_switched_off);
		return NULL;
	}
	if (!plain_tunnel_packet(skb, packet, count))
		return NULL;
	return lane_2_receiver(skb, config, terms, &incoming, now, count);
}

/* lane_2_receiver() for a packet that lane 3 has decapsulated. */
static __always_inline struct endpoint_value *
lane_2_arrival_receiver(struct __sk_buff *skb, const struct config_value *config,
			const struct arrival *arrival, struct lane_counters *count)
{
	__u64 now = bpf_ktime_get_coarse_ns();
	struct shortcut_value *terms = open_shortcut(now);
	struct incoming incoming = {.node_of_source = arrival->node_of_source};
	struct cursor cursor = cursor_begin(skb);

	if (!terms) {
		tally(&count->passed_switched_off);
		return NULL;
	}
	if (skb->vlan_present) {
		tally(&count->passed_vlan);
		return NULL;
	}
	incoming.ethernet = cursor_take(&cursor, sizeof(*incoming.ethernet));
	incoming.inner = cursor_take(&cursor, sizeof(*incoming.inner));
	if (!incoming.ethernet || !incoming.inner) {
		tally(&count->passed_truncated);
		return NULL;
	}
	return lane_2_receiver(skb, config, terms, &incoming, now, count);
}

/* Hands a packet that begins with its Ethernet header to a container, as its router does. */
static __always_inline int hand_over(struct __sk_buff *skb, const struct endpoint_value *container)
{
	struct cursor cursor = cursor_begin(skb);
	struct ethhdr *ethernet;
	struct iphdr *inner;

	ethernet = cursor_take(&cursor, sizeof(*ethernet));
	if (!ethernet)
		return TC_ACT_SHOT;
	inner = cursor_take(&cursor, sizeof(*inner));
	if (!inner)
		return TC_ACT_SHOT;
	__builtin_memcpy(ethernet->h_dest, container->mac, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, container->gateway_mac, ETH_ALEN);
	ethernet->h_proto = bpf_htons(ETH_P_IP);
	decrease_ttl(inner);
	return bpf_redirect_peer(container->ifindex, 0);
}
