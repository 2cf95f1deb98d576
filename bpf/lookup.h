/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

#include "headers.h"
#include "maps.h"

static __always_inline struct config_value *current_config(void)
{
	__u32 only = 0;

	return bpf_map_lookup_elem(&config, &only);
}

static __always_inline struct lane_counters *counters_of(enum lane lane)
{
	__u32 index = lane;

	return bpf_map_lookup_elem(&lane_stats, &index);
}

/*
 * One more. The empty instruction keeps clang from folding several of these into one with a
 * computed address: without CAP_PERFMON the verifier lets only constants be added to a pointer into
 * a map.
 */
static __always_inline void tally(__u64 *counter)
{
	asm volatile("" : "+r"(counter));
	(*counter)++;
}

static __always_inline struct subnet_value *find_subnet(__be32 address)
{
	struct subnet_key key = {.prefix_length = 128};

	map_ipv4(key.address, address);
	return bpf_map_lookup_elem(&subnets, &key);
}

static __always_inline bool is_allowed(const __u8 address[16])
{
	struct subnet_key key = {.prefix_length = 128};

	__builtin_memcpy(key.address, address, sizeof(key.address));
	return bpf_map_lookup_elem(&guard_allow, &key) != NULL;
}

static __always_inline struct vtep_value *find_vtep(const __u8 address[16])
{
	struct vtep_key key = {};

	__builtin_memcpy(key.address, address, sizeof(key.address));
	return bpf_map_lookup_elem(&vteps, &key);
}

/* One more inner frame of `length` bytes from a node; from NULL, nobody counts. */
static __always_inline void count_received(struct vtep_value *sender, __u32 length)
{
	if (!sender)
		return;
	sender->packets_in++;
	sender->bytes_in += length;
}
