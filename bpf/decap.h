/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/*
 * The underlay's side: the guard judges VXLAN on our port and VNI, then lane 1 in decapsulates and
 * lets the packet continue as if it had come in on flannel.<VNI>. Everything else on the interface
 * goes on untouched, other VNIs on our port included.
 */

#include "lookup.h"

/* Where the headers of a VXLAN packet of ours begin. */
struct vxlan_packet {
	struct iphdr *ip;
	struct udphdr *udp;
	struct ethhdr *inner_ethernet;
	struct iphdr *inner; /* NULL when the inner packet is not IPv4 */
	bool fragment;	     /* the first one of several */
};

enum parsed {
	PARSED_NOT_OURS,
	PARSED_INCOMPLETE, /* ends, or continues outside of what can be read */
	PARSED_OURS,
};

/* The longest headers parse_vxlan() walks over. */
#define VXLAN_HEADERS                                                                              \
	(2 * sizeof(struct ethhdr) + IP_LONGEST + sizeof(struct udphdr) +                          \
	 sizeof(struct vxlan_header) + sizeof(struct iphdr))

/*
 * Whether the packet is for our VTEP. What is not is none of our business and only counted when it
 * came close (same port), so that the counters are not a count of all traffic.
 *
 * Everything the driver would deliver has to be found here, or it slips past the guard: outer IP
 * options, a priority tag, a multicast hardware address.
 */
static __always_inline enum parsed parse_vxlan(struct __sk_buff *skb,
					       const struct config_value *config,
					       struct lane_counters *count,
					       struct vxlan_packet *packet)
{
	struct cursor cursor = cursor_begin(skb);
	struct vxlan_header *vxlan;
	struct ethhdr *ethernet;
	__u32 options;

	if (skb->pkt_type == PACKET_OTHERHOST)
		return PARSED_NOT_OURS;
	ethernet = cursor_take(&cursor, sizeof(*ethernet));
	if (!ethernet)
		return PARSED_INCOMPLETE;
	if (ethernet->h_proto != bpf_htons(ETH_P_IP))
		return PARSED_NOT_OURS;
	packet->ip = cursor_take(&cursor, sizeof(*packet->ip));
	if (!packet->ip)
		return PARSED_INCOMPLETE;
	if (packet->ip->protocol != IPPROTO_UDP || packet->ip->version != 4)
		return PARSED_NOT_OURS;
	if (packet->ip->daddr != mapped_ipv4(config->local))
		return PARSED_NOT_OURS;
	/* Only the first fragment shows whose it is. Without it the others come to nothing, and one
	 * too short to be judged here is left to nftables (src/Agent/Datapath/FirewallRules.cs). */
	if (packet->ip->frag_off & bpf_htons(IP_OFFSET))
		return PARSED_NOT_OURS;
	packet->fragment = packet->ip->frag_off & bpf_htons(IP_MF);
	if (packet->ip->ihl < sizeof(*packet->ip) / 4)
		return PARSED_NOT_OURS;
	options = packet->ip->ihl * 4 - sizeof(*packet->ip);
	if (options && !cursor_take(&cursor, options))
		return PARSED_INCOMPLETE;
	packet->udp = cursor_take(&cursor, sizeof(*packet->udp));
	if (!packet->udp)
		return PARSED_INCOMPLETE;
	if (packet->udp->dest != bpf_htons(config->port))
		return PARSED_NOT_OURS;
	vxlan = cursor_take(&cursor, sizeof(*vxlan));
	packet->inner_ethernet = cursor_take(&cursor, sizeof(*packet->inner_ethernet));
	if (!vxlan || !packet->inner_ethernet)
		return PARSED_INCOMPLETE;
	if (vxlan->flags != bpf_htonl(VXLAN_FLAG_VNI) ||
	    vxlan->vni != bpf_htonl(config->vni << VXLAN_VNI_SHIFT)) {
		count->passed_other_vni++;
		return PARSED_NOT_OURS;
	}
	packet->inner = NULL;
	if (packet->inner_ethernet->h_proto == bpf_htons(ETH_P_IP)) {
		packet->inner = cursor_take(&cursor, sizeof(*packet->inner));
		if (!packet->inner)
			return PARSED_INCOMPLETE;
	}
	return PARSED_OURS;
}

/*
 * The guard. VXLAN authenticates nothing, so this is the least: the sender is a node we know, and
 * the inner source is not in the subnet of another node (ours included). An inner source outside of
 * all subnets is the sender's own address or masqueraded traffic: fine. Behind an address of
 * guard_allow there may be any node but us.
 *
 * A frame with a VLAN tag is refused (RFC 7348, 6.1): the kernel takes VLAN 0 off and delivers what
 * is behind it.
 */
static __always_inline bool guard_refuses(const struct config_value *config,
					  const struct vxlan_packet *packet,
					  const struct vtep_value *sender,
					  const __u8 sender_address[16],
					  struct lane_counters *count)
{
	bool refuse = config->guard >= GUARD_VTEP;
	struct subnet_value *subnet;

	if (config->guard == GUARD_OFF)
		return false;
	if (packet->fragment && config->guard == GUARD_STRICT) {
		count->refused_fragment++;
		return true;
	}
	if (!sender && !is_allowed(sender_address)) {
		count->refused_unknown_vtep++;
		return refuse;
	}
	if (packet->inner_ethernet->h_proto == bpf_htons(ETH_P_8021Q) ||
	    packet->inner_ethernet->h_proto == bpf_htons(ETH_P_8021AD)) {
		count->refused_inner_vlan++;
		return refuse;
	}
	if (!packet->inner)
		return false;
	subnet = find_subnet(packet->inner->saddr);
	if (!subnet || (subnet->transport != TRANSPORT_LOCAL &&
			(same_address(subnet->vtep, sender_address) || is_allowed(sender_address))))
		return false;
	count->refused_forged_source++;
	return refuse;
}

/* Whether the outer headers tell the length the packet has; the driver cuts or drops others. */
static __always_inline bool lengths_agree(const struct __sk_buff *skb,
					  const struct vxlan_packet *packet)
{
	__u32 length = bpf_ntohs(packet->ip->tot_len);

	return length + sizeof(struct ethhdr) == skb->len &&
	       bpf_ntohs(packet->udp->len) + sizeof(*packet->ip) == length;
}

static __always_inline int lane_1_in(struct __sk_buff *skb, const struct config_value *config,
				     struct lane_counters *count)
{
	struct vxlan_packet packet;
	struct ethhdr inner_ethernet;
	__u8 sender_address[16];
	struct vtep_value *sender;
	__u8 outer_ecn, inner_ecn;
	enum parsed parsed;
	__u32 length;

	parsed = parse_vxlan(skb, config, count, &packet);
	/* Some drivers leave all but the first headers in page fragments. Not for GSO: a partial
	 * pull of a fragment list can panic kernels before 6.16, and GRO has pulled the headers. */
	if (parsed == PARSED_INCOMPLETE && !skb->gso_size &&
	    !bpf_skb_pull_data(skb, skb->len < VXLAN_HEADERS ? skb->len : VXLAN_HEADERS))
		parsed = parse_vxlan(skb, config, count, &packet);
	if (parsed == PARSED_INCOMPLETE)
		count->passed_truncated++;
	if (parsed != PARSED_OURS)
		return TC_ACT_UNSPEC;
	map_ipv4(sender_address, packet.ip->saddr);
	sender = find_vtep(sender_address);
	if (guard_refuses(config, &packet, sender, sender_address, count))
		return TC_ACT_SHOT;
	if (packet.fragment) {
		count->passed_fragment++;
		return TC_ACT_UNSPEC;
	}
	if (!config->tunnel_in) {
		count->passed_switched_off++;
		return TC_ACT_UNSPEC;
	}
	/* adjust_room would leave the tunnel's GSO bits on the inner packet, and a container that
	 * forwards it suffers. */
	if (skb->gso_size) {
		count->passed_gso++;
		return TC_ACT_UNSPEC;
	}
	if (!packet.inner) {
		count->passed_not_ipv4++;
		return TC_ACT_UNSPEC;
	}
	if (packet.ip->ihl != sizeof(*packet.ip) / 4) {
		count->passed_ip_options++;
		return TC_ACT_UNSPEC;
	}
	if (skb->vlan_present) {
		count->passed_vlan++;
		return TC_ACT_UNSPEC;
	}
	if (skb->pkt_type != PACKET_HOST) {
		count->passed_other_address++;
		return TC_ACT_UNSPEC;
	}
	if (!lengths_agree(skb, &packet)) {
		count->passed_truncated++;
		return TC_ACT_UNSPEC;
	}
	/* RFC 6040: an outer mark has to be merged into the inner header, or the packet dropped.
	 * The driver knows how. */
	outer_ecn = packet.ip->tos & ECN_MASK;
	inner_ecn = packet.inner->tos & ECN_MASK;
	if (outer_ecn == ECN_CE || (outer_ecn == ECN_ECT_1 && inner_ecn != ECN_ECT_1)) {
		count->passed_ecn++;
		return TC_ACT_UNSPEC;
	}

	length = skb->len - sizeof(struct ethhdr) - TUNNEL_OVERHEAD + sizeof(inner_ethernet);
	inner_ethernet = *packet.inner_ethernet;
	if (bpf_skb_adjust_room(skb, -(__s32)TUNNEL_OVERHEAD, BPF_ADJ_ROOM_MAC,
				BPF_F_ADJ_ROOM_FIXED_GSO)) {
		count->passed_helper_failed++;
		return TC_ACT_UNSPEC;
	}
	if (bpf_skb_store_bytes(skb, 0, &inner_ethernet, sizeof(inner_ethernet), 0))
		return TC_ACT_SHOT;
	if (sender) {
		sender->packets_in++;
		sender->bytes_in += length;
	}
	count->taken++;
	return bpf_redirect(config->overlay_ifindex, BPF_F_INGRESS);
}
