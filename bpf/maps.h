/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

#include "types.h"

/* Which node has an overlay address. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_SUBNETS);
	__type(key, struct subnet_key);
	__type(value, struct subnet_value);
} subnets SEC(".maps");

/* The same, for those that are cut as the config says: an array, whose cost does not grow with the
 * cluster. An entry without transport is none. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_SLOTS);
	__type(key, __u32);
	__type(value, struct subnet_value);
} subnet_slots SEC(".maps");

/* The nodes we know, and what went to and came from each. Absent here is unknown to the guard. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_VTEPS);
	__type(key, struct vtep_key);
	__type(value, struct vtep_value);
} vteps SEC(".maps");

/* Who else may send: peers behind NAT or with several addresses. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_ALLOWED);
	__type(key, struct subnet_key);
	__type(value, struct allow_value);
} guard_allow SEC(".maps");

/* By enum lane. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LANE_COUNT);
	__type(key, __u32);
	__type(value, struct lane_counters);
} lane_stats SEC(".maps");

/* One entry. All zero until the agent has filled it in: vni 0 matches nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct config_value);
} config SEC(".maps");

/* Samples of what the guard refused. The agent empties it; while it does not, what comes is lost.
 */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, REFUSAL_BYTES);
} refusals SEC(".maps");

/* When this CPU has put the last one there, in jiffies. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} refusal_turn SEC(".maps");
