// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)

/*
 * Lane 1 and the guard: the entry points, one per hook. Bodies are in encap.h and decap.h. Needs
 * nothing but CAP_BPF and CAP_NET_ADMIN.
 *
 * Every program returns TC_ACT_UNSPEC for what it passes on: under tcx that continues with the next
 * program, under clsact with the next filter, so other people's programs on the same hook see what
 * they always saw.
 */

#include "decap.h"
#include "encap.h"

SEC("tc")
int overlay_out(struct __sk_buff *skb)
{
	struct lane_counters *count = counters_of(LANE_1_OUT);
	struct config_value *settings = current_config();

	if (!count || !settings || !settings->vni)
		return TC_ACT_UNSPEC;
	return lane_1_out(skb, settings, count);
}

SEC("tc")
int underlay_in(struct __sk_buff *skb)
{
	struct lane_counters *count = counters_of(LANE_1_IN);
	struct config_value *settings = current_config();
	struct vxlan_packet packet;
	struct arrival arrival;
	struct sender sender;
	int result;

	if (!count || !settings || !settings->vni)
		return TC_ACT_UNSPEC;
	if (has_arrived(skb, settings, &arrival))
		return lane_1_arrived(skb, settings, count);
	result = receive(skb, settings, count, &packet, &sender);
	return result == TC_ACT_OK ? lane_1_in(skb, settings, &packet, &sender, count) : result;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
