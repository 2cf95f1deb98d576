/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/* Finds the headers of a VXLAN packet of ours, among everything that comes in on the underlay. */

#include "lookup.h"

/* Where the headers of a VXLAN packet of ours begin. */
struct vxlan_packet {
	struct ethhdr *ethernet;
	struct iphdr *ip;
	struct udphdr *udp;
	struct ethhdr *inner_ethernet;
	struct iphdr *inner;
	bool inner_is_ipv4; /* otherwise there is no `inner` */
	bool fragment;	    /* the first one of several */
	__u32 length;	    /* of the frame, bytes; the caller's, as the next */
	__u32 ifindex;	    /* it came in by */
};

enum parsed {
	PARSED_NOT_OURS,
	PARSED_INCOMPLETE, /* ends, or continues outside of what can be read */
	PARSED_OURS,
};

/* The longest headers parse_vxlan() walks over. */
#define VXLAN_HEADERS                                                                              \
	(2 * sizeof(struct ethhdr) + IP_LONGEST + sizeof(struct udphdr) +                          \
	 sizeof(struct vxlan_header) + sizeof(struct iphdr) + sizeof(struct tcphdr))

/*
 * Whether the packet is for our VTEP. What is not is none of our business and only counted when it
 * came close (same port), so that the counters are not a count of all traffic.
 *
 * Everything the driver would deliver has to be found here, or it slips past the guard: outer IP
 * options, a priority tag, a multicast hardware address.
 */
static __always_inline enum parsed parse_vxlan(struct cursor cursor,
					       const struct config_value *config,
					       struct lane_counters *count,
					       struct vxlan_packet *packet)
{
	struct vxlan_header *vxlan;

	packet->ethernet = cursor_take(&cursor, sizeof(*packet->ethernet));
	if (!packet->ethernet)
		return PARSED_INCOMPLETE;
	if (packet->ethernet->h_proto != bpf_htons(ETH_P_IP))
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
	if (!cursor_skip_options(&cursor, packet->ip->ihl - sizeof(*packet->ip) / 4))
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
		tally(&count->passed_other_vni);
		return PARSED_NOT_OURS;
	}
	packet->inner_is_ipv4 = packet->inner_ethernet->h_proto == bpf_htons(ETH_P_IP);
	/* Else clang reads the type again later on, which proves nothing to the verifier. */
	asm volatile("" : "+r"(packet->inner_is_ipv4));
	if (packet->inner_is_ipv4) {
		packet->inner = cursor_take(&cursor, sizeof(*packet->inner));
		if (!packet->inner)
			return PARSED_INCOMPLETE;
	}
	return PARSED_OURS;
}
