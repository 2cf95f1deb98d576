// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)

/*
 * The sending side of make bench-receive, and the least that a receiver can do. Not part of the
 * product.
 */

#include <linux/bpf.h>
#include <linux/if_ether.h>

#include <bpf/bpf_helpers.h>

#define FRAME_WORDS  14
#define LONGEST_WAIT 100000
#define SHARES	     1024

/* 114 bytes: 50 of outer headers, an inner Ethernet frame of 64. */
struct frame {
	__u64 words[FRAME_WORDS];
	__u16 rest;
} __attribute__((packed, aligned(2)));

struct plan {
	__u32 ifindex;
	__u32 legitimate_share; /* of 1024 frames */
	__u64 interval;		/* ns from frame to frame; 0: none */
	__u64 credit;
	__u64 begun, next; /* CLOCK_MONOTONIC, ns */
	__u64 sent_legitimate;
	__u64 sent_forged;
	__u64 refused; /* by bare_drop */
	struct frame legitimate;
	struct frame forged;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct plan);
} plans SEC(".maps");

static __always_inline struct plan *the_plan(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&plans, &key);
}

static long is_time(__u32 turn, __u64 *until)
{
	(void)turn;
	return bpf_ktime_get_ns() >= *until;
}

/* Waits for a frame's time. What was missed is not made up for: that would be a burst. */
static __always_inline void wait_turn(struct plan *plan)
{
	__u64 now = bpf_ktime_get_ns();
	__u64 until;

	if (!plan->begun)
		plan->begun = plan->next = now;
	until = plan->next;
	bpf_loop(LONGEST_WAIT, is_time, &until, 0);
	now = bpf_ktime_get_ns();
	plan->next += plan->interval;
	if (plan->next < now)
		plan->next = now;
}

/*
 * For BPF_PROG_TEST_RUN with live frames. Each frame is written anew: the memory of one that has
 * been through a receiver comes back as the receiver left it.
 */
SEC("xdp")
int flood(struct xdp_md *xdp)
{
	struct frame *frame = (void *)(long)xdp->data;
	struct frame *next;
	struct plan *plan = the_plan();

	if (!plan || (void *)(frame + 1) > (void *)(long)xdp->data_end)
		return XDP_ABORTED;
	wait_turn(plan);
	plan->credit += plan->legitimate_share;
	if (plan->credit >= SHARES) {
		plan->credit -= SHARES;
		plan->sent_legitimate++;
		next = &plan->legitimate;
	} else {
		plan->sent_forged++;
		next = &plan->forged;
	}
#pragma unroll
	for (int i = 0; i < FRAME_WORDS; i++)
		frame->words[i] = next->words[i];
	frame->rest = next->rest;
	return bpf_redirect(plan->ifindex, 0);
}

/* Drops what has the forged frames' outer addresses, without any further look, and passes the rest.
 */
SEC("xdp")
int bare_drop(struct xdp_md *xdp)
{
	struct frame *frame = (void *)(long)xdp->data;
	struct plan *plan = the_plan();

	if (!plan || (void *)(frame + 1) > (void *)(long)xdp->data_end)
		return XDP_PASS;
	/* Bytes 24 to 32: checksum and source of the IPv4 header, half of the destination. */
	if (frame->words[3] != plan->forged.words[3])
		return XDP_PASS;
	plan->refused++;
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
