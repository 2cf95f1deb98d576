/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/* What has to be true of the outer headers before one of the lanes takes them off. */

#include "parse.h"

/* Whether the outer headers tell the length the packet has; the driver cuts or drops others. */
static __always_inline bool lengths_agree(const struct vxlan_packet *packet)
{
	__u32 length = bpf_ntohs(packet->ip->tot_len);

	return length + sizeof(struct ethhdr) == packet->length &&
	       bpf_ntohs(packet->udp->len) + sizeof(*packet->ip) == length;
}

/*
 * Whether decapsulating here gives the packet that the driver would give. RFC 6040: an outer mark
 * has to be merged into the inner header, or the packet dropped; the driver knows how.
 */
static __always_inline bool plain_headers(const struct vxlan_packet *packet, bool aggregate,
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
	/* An aggregate has the lengths of one of its packets, or none. */
	if (!aggregate && !lengths_agree(packet)) {
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
