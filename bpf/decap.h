/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/*
 * The underlay's side: the guard judges VXLAN on our port and VNI, then lane 1 in decapsulates and
 * lets the packet continue as if it had come in on flannel.<VNI>. Everything else on the interface
 * goes on untouched, other VNIs on our port included.
 */

#include "guard.h"
#include "outer.h"

/* plain_headers(), and what only an skb shows. */
static __always_inline bool plain_tunnel_packet(const struct __sk_buff *skb,
						const struct vxlan_packet *packet,
						struct lane_counters *count)
{
	if (skb->vlan_present) {
		tally(&count->passed_vlan);
		return false;
	}
	if (skb->pkt_type != PACKET_HOST) {
		tally(&count->passed_other_address);
		return false;
	}
	return plain_headers(packet, skb->gso_size, count);
}

/* Takes the outer headers off. What then stands before the inner packet is the caller's to write.
 */
static __always_inline int decapsulate(struct __sk_buff *skb, struct vtep_value *sender,
				       struct lane_counters *count)
{
	__u32 length = skb->len - TUNNEL_OVERHEAD;

	if (bpf_skb_adjust_room(skb, -(__s32)TUNNEL_OVERHEAD, BPF_ADJ_ROOM_MAC,
				BPF_F_ADJ_ROOM_FIXED_GSO)) {
		tally(&count->passed_helper_failed);
		return TC_ACT_UNSPEC;
	}
	count_received(sender, length);
	tally(&count->taken);
	return TC_ACT_OK;
}

/* Whether the driver, which runs GRO over what it has decapsulated, may make one large packet of
 * this and others: TCP that carries data and does not end a burst. */
static __always_inline bool may_aggregate(const struct __sk_buff *skb, const struct iphdr *inner)
{
	struct cursor cursor = {.at = (void *)(inner + 1), .end = (void *)(long)skb->data_end};
	__u8 *tcp;

	if (inner->version != 4 || inner->ihl != sizeof(*inner) / 4 ||
	    inner->protocol != IPPROTO_TCP || inner->frag_off & bpf_htons(IP_MF | IP_OFFSET))
		return false;
	tcp = cursor_take(&cursor, sizeof(struct tcphdr));
	return tcp && !(tcp[TCP_FLAGS] & TCP_FLUSHING) &&
	       bpf_ntohs(inner->tot_len) > sizeof(*inner) + (tcp[TCP_OFFSET] >> 4) * 4;
}

static __always_inline int lane_1_in(struct __sk_buff *skb, const struct config_value *config,
				     const struct vxlan_packet *packet, const struct sender *sender,
				     struct lane_counters *count)
{
	struct ethhdr inner_ethernet;
	int result;

	if (config->tunnel_in == TUNNEL_IN_DRIVER) {
		tally(&count->passed_switched_off);
		return TC_ACT_UNSPEC;
	}
	/* adjust_room would leave the tunnel's GSO bits on the inner packet, and a container that
	 * forwards it suffers. */
	if (skb->gso_size) {
		tally(&count->passed_gso);
		return TC_ACT_UNSPEC;
	}
	if (!plain_tunnel_packet(skb, packet, count))
		return TC_ACT_UNSPEC;
	if (config->tunnel_in == TUNNEL_IN_AUTO && may_aggregate(skb, packet->inner)) {
		tally(&count->passed_stream);
		return TC_ACT_UNSPEC;
	}
	inner_ethernet = *packet->inner_ethernet;
	result = decapsulate(skb, sender->vtep, count);
	if (result != TC_ACT_OK)
		return result;
	if (bpf_skb_store_bytes(skb, 0, &inner_ethernet, sizeof(inner_ethernet), 0))
		return TC_ACT_SHOT;
	return bpf_redirect(config->overlay_ifindex, BPF_F_INGRESS);
}

/*
 * What both variants of underlay_in begin with: finds the headers and lets the guard judge.
 * TC_ACT_OK: a packet of ours that may come in; anything else is the program's answer.
 */
static __always_inline int receive(struct __sk_buff *skb, const struct config_value *config,
				   struct lane_counters *count, struct vxlan_packet *packet,
				   struct sender *sender)
{
	enum parsed parsed;

	if (skb->pkt_type == PACKET_OTHERHOST)
		return TC_ACT_UNSPEC;
	packet->length = skb->len;
	packet->ifindex = skb->ifindex;
	parsed = parse_vxlan(cursor_begin(skb), config, count, packet);
	/* Some drivers leave all but the first headers in page fragments. Not for GSO: a partial
	 * pull of a fragment list can panic kernels before 6.16, and GRO has pulled the headers. */
	if (parsed == PARSED_INCOMPLETE && !skb->gso_size &&
	    !bpf_skb_pull_data(skb, skb->len < VXLAN_HEADERS ? skb->len : VXLAN_HEADERS))
		parsed = parse_vxlan(cursor_begin(skb), config, count, packet);
	if (parsed == PARSED_INCOMPLETE)
		tally(&count->passed_truncated);
	if (parsed != PARSED_OURS)
		return TC_ACT_UNSPEC;
	if (guard_refuses(config, packet, sender, count))
		return TC_ACT_SHOT;
	if (packet->fragment) {
		tally(&count->passed_fragment);
		return TC_ACT_UNSPEC;
	}
	return TC_ACT_OK;
}

/*
 * Whether lane 3 has decapsulated the packet and let it in; `arrival` is its word. Such a packet
 * begins with the inner Ethernet header and may be a large one: GRO came after.
 */
static __always_inline bool has_arrived(struct __sk_buff *skb, const struct config_value *config,
					struct arrival *arrival)
{
	struct arrival *found = (void *)(long)skb->data_meta;

	if ((void *)(found + 1) > (void *)(long)skb->data)
		return false;
	*arrival = *found;
	if (!(arrival->cookie[0] | arrival->cookie[1]) || arrival->cookie[0] != config->cookie[0] ||
	    arrival->cookie[1] != config->cookie[1])
		return false;
	/* The NIC has looked at the outer checksum: the inner one is for the stack to verify. For
	 * an aggregate that is too late. */
	if (!skb->gso_size)
		bpf_csum_level(skb, BPF_CSUM_LEVEL_RESET);
	return true;
}

/* Lane 1 for what has arrived: on as if it had come in on flannel.<VNI>. */
static __always_inline int lane_1_arrived(struct __sk_buff *skb, const struct config_value *config,
					  struct lane_counters *count)
{
	/* XDP does not see the tag that a NIC takes off. The kernel drops the packet, which is
	 * addressed to nobody on this VLAN. */
	if (skb->vlan_present && skb->vlan_tci & VLAN_VID_MASK) {
		tally(&count->passed_vlan);
		return TC_ACT_UNSPEC;
	}
	tally(&count->taken);
	return bpf_redirect(config->overlay_ifindex, BPF_F_INGRESS);
}
