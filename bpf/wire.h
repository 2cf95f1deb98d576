/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/* Lane 3 in. An arrival's word (struct arrival) goes with what is decapsulated here. */

#include "guard.h"
#include "outer.h"

/* Puts an arrival's word before the packet. False: this driver has no room for it. */
static __always_inline bool give_word(struct xdp_md *frame, const struct config_value *config,
				      bool node_of_source)
{
	struct arrival *arrival;

	if (bpf_xdp_adjust_meta(frame, -(int)sizeof(*arrival)))
		return false;
	arrival = (void *)(long)frame->data_meta;
	if ((void *)(arrival + 1) > (void *)(long)frame->data)
		return false;
	*arrival = (struct arrival){
	    .cookie = {config->cookie[0], config->cookie[1]},
	    .node_of_source = node_of_source,
	};
	return true;
}

static __always_inline int lane_3_in(struct xdp_md *frame, const struct config_value *config,
				     struct lane_counters *count)
{
	struct cursor cursor = cursor_begin(frame);
	const struct ethhdr *ethernet = cursor.at;
	struct vxlan_packet packet;
	struct sender sender;

	/* Also other people's frames come by where the interface is promiscuous. What is for a
	 * group of hosts is rare, and judged at TC. */
	if ((void *)(ethernet + 1) > cursor.end ||
	    !same_mac(ethernet->h_dest, config->underlay_mac))
		return XDP_PASS;
	packet.length = (__u32)bpf_xdp_get_buff_len(frame);
	packet.ifindex = frame->ingress_ifindex;
	/* Headers beyond the first buffer are pulled together, and judged, at TC. */
	if (parse_vxlan(cursor, config, count, &packet) != PARSED_OURS)
		return XDP_PASS;
	if (guard_refuses(config, &packet, &sender, count))
		return XDP_DROP;
	if (packet.fragment) {
		tally(&count->passed_fragment);
		return XDP_PASS;
	}
	if (config->early_in != EARLY_IN_DECAPSULATE || !(config->cookie[0] | config->cookie[1])) {
		tally(&count->passed_switched_off);
		return XDP_PASS;
	}
	if (!plain_headers(&packet, false, count))
		return XDP_PASS;
	if (!give_word(frame, config, sender.vtep && is_node_of_source(&sender))) {
		tally(&count->passed_helper_failed);
		return XDP_PASS;
	}
	/* The inner frame begins this far behind the outer one, and is there: its headers have been
	 * read. */
	if (bpf_xdp_adjust_head(frame, TUNNEL_OVERHEAD))
		return XDP_DROP;
	count_received(sender.vtep, packet.length - TUNNEL_OVERHEAD);
	tally(&count->taken);
	return XDP_PASS;
}
