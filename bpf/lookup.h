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

/* The subnet around an address: in its slot, else the longest prefix. */
static __always_inline struct subnet_value *find_subnet(const struct config_value *config,
							__be32 address)
{
	__u32 slot = (bpf_ntohl(address) - config->slots_begin) >> (config->slot_shift & 31);
	struct subnet_key key = {.prefix_length = 128};
	struct subnet_value *subnet;

	if (slot < config->slots) {
		subnet = bpf_map_lookup_elem(&subnet_slots, &slot);
		if (subnet && subnet->transport != TRANSPORT_NONE)
			return subnet;
	}
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
