// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)

/* Programs that count and pass on, and a map of each kind. */

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} few SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
} percpu SEC(".maps");

struct prefix {
	__u32 length;
	__u32 address;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4);
	__type(key, struct prefix);
	__type(value, __u64);
} prefixes SEC(".maps");

static __always_inline int count(__u32 index)
{
	__u64 *counter = bpf_map_lookup_elem(&counts, &index);
	__u32 key = 0;

	/* Never there: only so that the object has these maps. */
	bpf_map_lookup_elem(&few, &key);
	bpf_map_lookup_elem(&percpu, &key);
	if (counter)
		__sync_fetch_and_add(counter, 1);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int first(struct __sk_buff *skb)
{
	struct prefix all = {};

	(void)skb;
	bpf_map_lookup_elem(&prefixes, &all);
	return count(0);
}

SEC("tc")
int second(struct __sk_buff *skb)
{
	(void)skb;
	return count(1);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
