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
	struct ethhdr *inner_ethernet;
	struct iphdr *inner; /* NULL when the inner packet is not IPv4 */
};

/*
 * Whether the packet is for our VTEP. What is not is none of our business and only counted when it
 * came close (same port), so that the counters are not a count of all traffic.
 */
static __always_inline bool parse_vxlan(struct __sk_buff *skb, const struct config_value *config,
					struct lane_counters *count, struct vxlan_packet *packet)
{
	struct cursor cursor = cursor_begin(skb);
	struct vxlan_header *vxlan;
	struct ethhdr *ethernet;
	struct udphdr *udp;

	ethernet = cursor_take(&cursor, sizeof(*ethernet));
	if (!ethernet || ethernet->h_proto != bpf_htons(ETH_P_IP) || skb->pkt_type != PACKET_HOST)
		return false;
	packet->ip = cursor_take(&cursor, sizeof(*packet->ip));
	if (!packet->ip || packet->ip->protocol != IPPROTO_UDP || packet->ip->version != 4)
		return false;
	if (packet->ip->daddr != mapped_ipv4(config->local))
		return false;
	/* The first fragment shows the port, the others do not: the driver reassembles, nftables
	 * guards (docs/architecture.md). */
	if (packet->ip->frag_off & bpf_htons(IP_MF | IP_OFFSET))
		return false;
	if (packet->ip->ihl != sizeof(*packet->ip) / 4) {
		count->passed_ip_options++;
		return false;
	}
	udp = cursor_take(&cursor, sizeof(*udp));
	if (!udp || udp->dest != bpf_htons(config->port))
		return false;
	if (skb->vlan_present) {
		count->passed_vlan++;
		return false;
	}
	vxlan = cursor_take(&cursor, sizeof(*vxlan));
	packet->inner_ethernet = cursor_take(&cursor, sizeof(*packet->inner_ethernet));
	if (!vxlan || !packet->inner_ethernet) {
		count->passed_truncated++;
		return false;
	}
	if (vxlan->flags != VXLAN_FLAG_VNI ||
	    vxlan->vni != bpf_htonl(config->vni << VXLAN_VNI_SHIFT)) {
		count->passed_other_vni++;
		return false;
	}
	packet->inner = NULL;
	if (packet->inner_ethernet->h_proto == bpf_htons(ETH_P_IP))
		packet->inner = cursor_take(&cursor, sizeof(*packet->inner));
	return true;
}

/*
 * The guard. VXLAN authenticates nothing, so this is the least: the sender is a node we know, and
 * the inner source is not in the subnet of another node (ours included). An inner source outside of
 * all subnets is the sender's own address or masqueraded traffic: fine.
 */
static __always_inline bool guard_refuses(const struct config_value *config,
					  const struct vxlan_packet *packet,
					  const struct vtep_value *sender,
					  const __u8 sender_address[16],
					  struct lane_counters *count)
{
	struct subnet_value *subnet;

	if (config->guard == GUARD_OFF)
		return false;
	if (!sender) {
		count->refused_unknown_vtep++;
		return config->guard == GUARD_VTEP;
	}
	if (!packet->inner)
		return false;
	subnet = find_subnet(packet->inner->saddr);
	if (!subnet ||
	    (subnet->transport != TRANSPORT_LOCAL && same_address(subnet->vtep, sender_address)))
		return false;
	count->refused_forged_source++;
	return config->guard == GUARD_VTEP;
}

static __always_inline int lane_1_in(struct __sk_buff *skb, const struct config_value *config,
				     struct lane_counters *count)
{
	struct vxlan_packet packet;
	struct ethhdr inner_ethernet;
	__u8 sender_address[16];
	struct vtep_value *sender;
	__u8 outer_ecn, inner_ecn;
	__u32 length;

	if (!parse_vxlan(skb, config, count, &packet))
		return TC_ACT_UNSPEC;
	map_ipv4(sender_address, packet.ip->saddr);
	sender = find_vtep(sender_address);
	if (guard_refuses(config, &packet, sender, sender_address, count))
		return TC_ACT_SHOT;
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
