/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/*
 * The guard. VXLAN authenticates nothing, so this is the least: the sender is a node we know, and
 * the inner source is not in the subnet of another node (ours included). An inner source outside of
 * all subnets is the sender's own address or masqueraded traffic: fine. Behind an address of
 * guard_allow there may be any node but us.
 */

#include "lookup.h"
#include "parse.h"

/* Who sent a packet: the underlay address, what the maps say about it, and about the address that
 * the packet inside claims to come from. */
struct sender {
	__u8 address[16];
	struct vtep_value *vtep;     /* NULL: no node that we know */
	struct subnet_value *subnet; /* of the inner source; NULL: outside of all, or not IPv4 */
};

static __always_inline bool is_node_of_source(const struct sender *sender)
{
	return sender->subnet && sender->subnet->transport != TRANSPORT_LOCAL &&
	       same_address(sender->subnet->vtep, sender->address);
}

/*
 * Puts a sample where the agent finds it. Nobody is woken: it looks by itself. At most one each
 * jiffy: under a flood the clock, and a look for room, would cost as much as the judgement.
 */
static __always_inline void show_refusal(const struct vxlan_packet *packet,
					 const struct sender *sender, enum refusal_reason reason,
					 bool dropped)
{
	__u64 now = bpf_jiffies64();
	struct refusal *sample;
	__u32 only = 0;
	__u64 *last;

	last = bpf_map_lookup_elem(&refusal_turn, &only);
	if (!last || *last == now)
		return;
	/* Also if there is no room: nobody may be reading. */
	*last = now;
	sample = bpf_ringbuf_reserve(&refusals, sizeof(*sample), 0);
	if (!sample)
		return;
	*sample = (struct refusal){
	    .at = bpf_ktime_get_ns(),
	    .length = packet->length,
	    .inner_type = bpf_ntohs(packet->inner_ethernet->h_proto),
	    .reason = reason,
	    .dropped = dropped,
	    .ifindex = packet->ifindex,
	};
	__builtin_memcpy(sample->outer_source, sender->address, sizeof(sample->outer_source));
	if (packet->inner_is_ipv4) {
		map_ipv4(sample->inner_source, packet->inner->saddr);
		map_ipv4(sample->inner_destination, packet->inner->daddr);
		sample->inner_protocol = packet->inner->protocol;
	}
	bpf_ringbuf_submit(sample, BPF_RB_NO_WAKEUP);
}

/* Counts and shows; whether it is to be dropped. */
static __always_inline bool refuse(const struct config_value *config,
				   const struct vxlan_packet *packet, const struct sender *sender,
				   enum refusal_reason reason, __u64 *counter)
{
	bool dropped = config->guard >= GUARD_VTEP;

	tally(counter);
	show_refusal(packet, sender, reason, dropped);
	return dropped;
}

/*
 * Finds out who sent a packet, and whether it must not come in. What is refused for its sender
 * alone is not looked at any further, so `sender->subnet` is known of packets that may come in
 * only.
 *
 * A frame with a VLAN tag is refused (RFC 7348, 6.1): the kernel takes VLAN 0 off and delivers what
 * is behind it.
 */
static __always_inline bool guard_refuses(const struct config_value *config,
					  const struct vxlan_packet *packet, struct sender *sender,
					  struct lane_counters *count)
{
	__be16 type = packet->inner_ethernet->h_proto;

	map_ipv4(sender->address, packet->ip->saddr);
	sender->vtep = find_vtep(sender->address);
	sender->subnet = NULL;
	if (config->guard != GUARD_OFF) {
		if (packet->fragment && config->guard == GUARD_STRICT)
			return refuse(config, packet, sender, REFUSED_FRAGMENT,
				      &count->refused_fragment);
		if (!sender->vtep && !is_allowed(sender->address))
			return refuse(config, packet, sender, REFUSED_UNKNOWN_VTEP,
				      &count->refused_unknown_vtep);
		if (type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD))
			return refuse(config, packet, sender, REFUSED_INNER_VLAN,
				      &count->refused_inner_vlan);
	}
	if (packet->inner_is_ipv4)
		sender->subnet = find_subnet(config, packet->inner->saddr);
	if (config->guard == GUARD_OFF || !sender->subnet || is_node_of_source(sender) ||
	    (sender->subnet->transport != TRANSPORT_LOCAL && is_allowed(sender->address)))
		return false;
	return refuse(config, packet, sender, REFUSED_FORGED_SOURCE, &count->refused_forged_source);
}
