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

#define REFUSAL_EVERY_NS 1000000ULL

/* Who sent a packet: the underlay address, what the maps say about it, and about the address that
 * the packet inside claims to come from. */
struct sender {
	__u8 address[16];
	struct vtep_value *vtep;     /* NULL: no node that we know */
	struct subnet_value *subnet; /* of the inner source; NULL: outside of all, or not IPv4 */
};

static __always_inline void find_sender(const struct vxlan_packet *packet, struct sender *sender)
{
	map_ipv4(sender->address, packet->ip->saddr);
	sender->vtep = find_vtep(sender->address);
	sender->subnet = packet->inner_is_ipv4 ? find_subnet(packet->inner->saddr) : NULL;
}

static __always_inline bool is_node_of_source(const struct sender *sender)
{
	return sender->subnet && sender->subnet->transport != TRANSPORT_LOCAL &&
	       same_address(sender->subnet->vtep, sender->address);
}

/* Puts a sample where the agent finds it. Nobody is woken: it looks by itself. */
static __always_inline void show_refusal(const struct vxlan_packet *packet,
					 const struct sender *sender, enum refusal_reason reason,
					 bool dropped)
{
	__u64 now = bpf_ktime_get_ns();
	struct refusal *sample;
	__u32 only = 0;
	__u64 *turn;

	turn = bpf_map_lookup_elem(&refusal_turn, &only);
	if (!turn || now < *turn)
		return;
	sample = bpf_ringbuf_reserve(&refusals, sizeof(*sample), 0);
	if (!sample)
		return;
	*turn = now + REFUSAL_EVERY_NS;
	*sample = (struct refusal){
	    .at = now,
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
 * Whether the packet must not come in.
 *
 * A frame with a VLAN tag is refused (RFC 7348, 6.1): the kernel takes VLAN 0 off and delivers what
 * is behind it.
 */
static __always_inline bool guard_refuses(const struct config_value *config,
					  const struct vxlan_packet *packet,
					  const struct sender *sender, struct lane_counters *count)
{
	__be16 type = packet->inner_ethernet->h_proto;

	if (config->guard == GUARD_OFF)
		return false;
	if (packet->fragment && config->guard == GUARD_STRICT)
		return refuse(config, packet, sender, REFUSED_FRAGMENT, &count->refused_fragment);
	if (!sender->vtep && !is_allowed(sender->address))
		return refuse(config, packet, sender, REFUSED_UNKNOWN_VTEP,
			      &count->refused_unknown_vtep);
	if (type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD))
		return refuse(config, packet, sender, REFUSED_INNER_VLAN,
			      &count->refused_inner_vlan);
	if (!sender->subnet || is_node_of_source(sender) ||
	    (sender->subnet->transport != TRANSPORT_LOCAL && is_allowed(sender->address)))
		return false;
	return refuse(config, packet, sender, REFUSED_FORGED_SOURCE, &count->refused_forged_source);
}
