// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)

/* Reads a packet without looking for its end: no verifier lets that pass. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int accepted(struct __sk_buff *skb)
{
	(void)skb;
	return 0;
}

SEC("tc")
int reads_beyond(struct __sk_buff *skb)
{
	return *(__u8 *)(long)skb->data;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
