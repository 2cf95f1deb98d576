// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)

/*
 * Lane 2 over lane 1: the programs that read conntrack, which a kernel before 5.18 does not offer
 * and the verifier allows only with CAP_PERFMON. An object of its own, so that lane 1 does without
 * either. It shares the maps of overlay.bpf.c and replaces its underlay_in.
 */

#include "shortcut.h"

SEC("tc")
int container_out(struct __sk_buff *skb)
{
	struct lane_counters *count = counters_of(LANE_2_OUT);
	struct config_value *settings = current_config();

	if (!count || !settings || !settings->vni)
		return TC_ACT_UNSPEC;
	return lane_2_out(skb, settings, count);
}

SEC("tc")
int underlay_in(struct __sk_buff *skb)
{
	struct lane_counters *count = counters_of(LANE_1_IN);
	struct lane_counters *short_count = counters_of(LANE_2_IN);
	struct config_value *settings = current_config();
	struct endpoint_value *container;
	struct vxlan_packet packet;
	struct arrival arrival;
	struct sender sender;
	int result;

	if (!count || !short_count || !settings || !settings->vni)
		return TC_ACT_UNSPEC;
	if (has_arrived(skb, settings, &arrival)) {
		container = lane_2_arrival_receiver(skb, settings, &arrival, short_count);
		if (!container)
			return lane_1_arrived(skb, settings, count);
		tally(&short_count->taken);
		return hand_over(skb, container);
	}
	result = receive(skb, settings, count, &packet, &sender);
	if (result != TC_ACT_OK)
		return result;
	container = lane_2_tunnel_receiver(skb, settings, &packet, &sender, short_count);
	if (!container)
		return lane_1_in(skb, settings, &packet, &sender, count);
	result = decapsulate(skb, sender.vtep, short_count);
	return result == TC_ACT_OK ? hand_over(skb, container) : result;
}

/* How many jiffies have passed; the agent runs it twice to learn how many there are in a second. */
SEC("tc")
int jiffies(struct __sk_buff *skb __attribute__((unused)))
{
	return (int)bpf_jiffies64();
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
