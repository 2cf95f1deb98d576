/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/*
 * The underlay's side: the guard judges VXLAN on our port and VNI, then lane 1 in decapsulates and
 * lets the packet continue as if it had come in on flannel.<VNI>. Everything else on the interface
 * goes on untouched, other VNIs on our port included.
 */

#include "guard.h"

/* Whether the outer headers tell the length the packet has; the driver cuts or drops others. */
static __always_inline bool lengths_agree(const struct __sk_buff *skb,
					  const struct vxlan_packet *packet)
{
	__u32 length = bpf_ntohs(packet->ip->tot_len);

	return length + sizeof(struct ethhdr) == skb->len &&
	       bpf_ntohs(packet->udp->len) + sizeof(*packet->ip) == length;
}

/*
 * Whether decapsulating here gives the packet that the driver would give. RFC 6040: an outer mark
 * has to be merged into the inner header, or the packet dropped; the driver knows how.
 */
static __always_inline bool plain_tunnel_packet(const struct __sk_buff *skb,
						const struct vxlan_packet *packet,
						struct lane_counters *count)
{
	__u8 outer_ecn, inner_ecn;

	if (!packet->inner_is_ipv4) {
		tally(&count->passed_not_ipv4);
		return false;
	}
	if (packet->ip->ihl != sizeof(*packet->ip) / 4) {
		tally(&count->passed_ip_options);
		return false;
	}
	if (skb->vlan_present) {
		tally(&count->passed_vlan);
		return false;
	}
	if (skb->pkt_type != PACKET_HOST) {
		tally(&count->passed_other_address);
		return false;
	}
	/* An aggregate has the lengths of one of its packets, or none. */
	if (!skb->gso_size && !lengths_agree(skb, packet)) {
		tally(&count->passed_truncated);
		return false;
	}
	outer_ecn = packet->ip->tos & ECN_MASK;
	inner_ecn = packet->inner->tos & ECN_MASK;
	if (outer_ecn == ECN_CE || (outer_ecn == ECN_ECT_1 && inner_ecn != ECN_ECT_1)) {
		tally(&count->passed_ecn);
		return false;
	}
	return true;
}

/* Takes the outer headers off and puts `ethernet` before the inner packet. */
static __always_inline int decapsulate(struct __sk_buff *skb, const struct ethhdr *ethernet,
				       struct vtep_value *sender, struct lane_counters *count)
{
	__u32 length = skb->len - TUNNEL_OVERHEAD;

	if (bpf_skb_adjust_room(skb, -(__s32)TUNNEL_OVERHEAD, BPF_ADJ_ROOM_MAC,
				BPF_F_ADJ_ROOM_FIXED_GSO)) {
		tally(&count->passed_helper_failed);
		return TC_ACT_UNSPEC;
	}
	if (bpf_skb_store_bytes(skb, 0, ethernet, sizeof(*ethernet), 0))
		return TC_ACT_SHOT;
	if (sender) {
		sender->packets_in++;
		sender->bytes_in += length;
	}
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
	result = decapsulate(skb, &inner_ethernet, sender->vtep, count);
	return result == TC_ACT_OK ? bpf_redirect(config->overlay_ifindex, BPF_F_INGRESS) : result;
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

	parsed = parse_vxlan(skb, config, count, packet);
	/* Some drivers leave all but the first headers in page fragments. Not for GSO: a partial
	 * pull of a fragment list can panic kernels before 6.16, and GRO has pulled the headers. */
	if (parsed == PARSED_INCOMPLETE && !skb->gso_size &&
	    !bpf_skb_pull_data(skb, skb->len < VXLAN_HEADERS ? skb->len : VXLAN_HEADERS))
		parsed = parse_vxlan(skb, config, count, packet);
	if (parsed == PARSED_INCOMPLETE)
		tally(&count->passed_truncated);
	if (parsed != PARSED_OURS)
		return TC_ACT_UNSPEC;
	find_sender(packet, sender);
	if (guard_refuses(skb, config, packet, sender, count))
		return TC_ACT_SHOT;
	if (packet->fragment) {
		tally(&count->passed_fragment);
		return TC_ACT_UNSPEC;
	}
	return TC_ACT_OK;
}
