// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)

/*
 * Lane 3, before the kernel has made an skb: what the guard refuses is dropped where that costs
 * least, and what it lets in is decapsulated before GRO, which then makes large packets of the
 * inner ones. Needs XDP in native mode and Linux 5.18 (frames of several buffers). An object of its
 * own over the maps of overlay.bpf.c.
 *
 * Everything else passes: the programs at TC judge by themselves what this one has not
 * decapsulated.
 */

#include "wire.h"

SEC("xdp.frags")
int wire_in(struct xdp_md *frame)
{
	struct lane_counters *count = counters_of(LANE_3_IN);
	struct config_value *settings = current_config();

	if (!count || !settings || !settings->vni)
		return XDP_PASS;
	return lane_3_in(frame, settings, count);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
