/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/*
 * Lane 1 out: what the kernel routed to flannel.<VNI> is encapsulated here instead of in the vxlan
 * driver.
 *
 * The outer header is as the driver writes it (ttl auto, tos 0, df unset), except that the UDP
 * checksum is zero: adjust_room can only promise a tunnel without checksum to GSO, and receivers
 * take both (RFC 7348, 4.1).
 *
 * Nothing is changed before the last call that can fail, so every packet that is passed on is the
 * packet that came.
 */

#include "lookup.h"

/* Linux before 5.13 does not know ENCAP_L2_ETH and refuses it before it does anything. GSO then
 * takes the inner packet for IP behind a MAC header of that length, which comes to the same. */
#define ENCAP_FLAGS_OLD                                                                            \
	(BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP |   \
	 BPF_F_ADJ_ROOM_ENCAP_L2(sizeof(struct ethhdr)))
#define ENCAP_FLAGS (ENCAP_FLAGS_OLD | BPF_F_ADJ_ROOM_ENCAP_L2_ETH)

/* RFC 6040, normal mode: a congestion mark is not told to the underlay twice. */
static __always_inline __u8 outer_tos(__u8 inner_tos)
{
	__u8 ecn = inner_tos & ECN_MASK;

	return ecn == ECN_CE ? ECN_ECT_0 : ecn;
}

/* The driver's udp_flow_src_port(): both lanes put a flow on the same port, hence in the same RSS
 * queue and ECMP path. */
static __always_inline __be16 source_port(struct __sk_buff *skb, const struct config_value *config)
{
	__u32 hash = bpf_get_hash_recalc(skb);

	hash ^= hash << 16;
	return bpf_htons(
	    (__u16)((((__u64)hash * (config->source_port_high - config->source_port_low)) >> 32) +
		    config->source_port_low));
}

/* The longest IP packet this one becomes on the wire, outer header included. */
static __always_inline __u32 outer_length(const struct __sk_buff *skb, const struct iphdr *inner,
					  __u32 transport_header)
{
	__u32 length = bpf_ntohs(inner->tot_len);

	if (skb->gso_size)
		length = sizeof(*inner) + transport_header + skb->gso_size;
	return length + TUNNEL_OVERHEAD;
}

/* Length of the header above IP, as GSO repeats it; 0 for what GSO does not cut here. A TCP header
 * that cannot be read is taken for the longest. */
static __always_inline __u32 transport_length(struct cursor cursor, __u8 protocol)
{
	__u8 *header;

	if (protocol == IPPROTO_UDP)
		return sizeof(struct udphdr);
	if (protocol != IPPROTO_TCP)
		return 0;
	header = cursor_take(&cursor, 20);
	return header ? (header[TCP_OFFSET] >> 4) * 4 : TCP_LONGEST;
}

static __always_inline void write_tunnel_header(struct tunnel_header *tunnel,
						const struct config_value *config,
						const struct subnet_value *subnet, __u32 length,
						__be16 port, __u8 tos)
{
	struct iphdr ip = {
	    .version = 4,
	    .ihl = sizeof(struct iphdr) / 4,
	    .tos = tos,
	    .tot_len = bpf_htons((__u16)(length + TUNNEL_OVERHEAD)),
	    .id = (__be16)bpf_get_prandom_u32(),
	    .ttl = IP_DEFAULT_TTL,
	    .protocol = IPPROTO_UDP,
	    .saddr = mapped_ipv4(config->local),
	    .daddr = mapped_ipv4(subnet->vtep),
	};

	ip.check = ip_checksum(&ip);
	tunnel->ip = ip;
	tunnel->udp = (struct udphdr){
	    .source = port,
	    .dest = bpf_htons(config->port),
	    .len = bpf_htons((__u16)(length + TUNNEL_OVERHEAD - sizeof(struct iphdr))),
	};
	tunnel->vxlan = (struct vxlan_header){
	    .flags = bpf_htonl(VXLAN_FLAG_VNI),
	    .vni = bpf_htonl(config->vni << VXLAN_VNI_SHIFT),
	};
	tunnel->inner.h_proto = bpf_htons(ETH_P_IP);
	__builtin_memcpy(tunnel->inner.h_dest, subnet->vtep_mac, ETH_ALEN);
	__builtin_memcpy(tunnel->inner.h_source, config->overlay_mac, ETH_ALEN);
}

/*
 * The way from here to the node that has `subnet`, for an inner packet of `length` bytes (and as
 * long as `outer` once it is cut and encapsulated). False: the packet has to go the driver's way,
 * which resolves, fragments and answers.
 */
static __always_inline bool find_next_hop(struct __sk_buff *skb, const struct config_value *config,
					  const struct subnet_value *subnet, __u32 outer,
					  struct bpf_fib_lookup *hop, struct lane_counters *count)
{
	long result;

	hop->family = AF_INET;
	hop->l4_protocol = IPPROTO_UDP;
	hop->tot_len = (__u16)outer;
	hop->ipv4_src = mapped_ipv4(config->local);
	hop->ipv4_dst = mapped_ipv4(subnet->vtep);
	hop->ifindex = config->underlay_ifindex;
	result = bpf_fib_lookup(skb, hop, sizeof(*hop), BPF_FIB_LOOKUP_OUTPUT);
	if (result == BPF_FIB_LKUP_RET_FRAG_NEEDED) {
		tally(&count->passed_too_big);
		return false;
	}
	if (result != BPF_FIB_LKUP_RET_SUCCESS) {
		tally(&count->passed_no_next_hop);
		return false;
	}
	if (hop->ifindex != config->underlay_ifindex) {
		tally(&count->passed_other_interface);
		return false;
	}
	return true;
}

/* Makes room for the outer headers. False: the kernel refuses it, and nothing has changed. */
static __always_inline bool make_room(struct __sk_buff *skb, struct lane_counters *count)
{
	long result = bpf_skb_adjust_room(skb, TUNNEL_OVERHEAD, BPF_ADJ_ROOM_MAC, ENCAP_FLAGS);

	if (result == -EINVAL)
		result =
		    bpf_skb_adjust_room(skb, TUNNEL_OVERHEAD, BPF_ADJ_ROOM_MAC, ENCAP_FLAGS_OLD);
	if (!result)
		return true;
	/* What a container's own tunnel left for the NIC to finish is in one already, and an skb
	 * has room for the offsets of one. */
	if (result == -EALREADY)
		tally(&count->passed_in_tunnel);
	else
		tally(&count->passed_helper_failed);
	return false;
}

/* Puts the outer headers on an IPv4 packet of `length` bytes and sends it. `hops`: how many routed
 * hops this lane leaves out. */
static __always_inline int encapsulate(struct __sk_buff *skb, const struct config_value *config,
				       const struct subnet_value *subnet,
				       const struct bpf_fib_lookup *hop, __u32 length,
				       __u8 inner_tos, int hops, struct lane_counters *count)
{
	struct tunnel_header tunnel = {};
	struct cursor cursor;
	struct vtep_value *vtep;
	struct ethhdr *ethernet;
	struct iphdr *inner;

	write_tunnel_header(&tunnel, config, subnet, length, source_port(skb, config),
			    outer_tos(inner_tos));
	if (!make_room(skb, count))
		return TC_ACT_UNSPEC;
	/* The room is there and linear, and so is what was read before: from here on nothing fails
	 * short of a kernel out of memory. */
	cursor = cursor_begin(skb);
	ethernet = cursor_take(&cursor, sizeof(*ethernet));
	if (!ethernet)
		return TC_ACT_SHOT;
	__builtin_memcpy(ethernet->h_dest, hop->dmac, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, hop->smac, ETH_ALEN);
	ethernet->h_proto = bpf_htons(ETH_P_IP);
	if (hops) {
		if (!cursor_take(&cursor, sizeof(tunnel)))
			return TC_ACT_SHOT;
		inner = cursor_take(&cursor, sizeof(*inner));
		if (!inner)
			return TC_ACT_SHOT;
		decrease_ttl(inner);
	}
	if (bpf_skb_store_bytes(skb, sizeof(*ethernet), &tunnel, sizeof(tunnel), 0))
		return TC_ACT_SHOT;

	vtep = find_vtep(subnet->vtep);
	if (vtep) {
		vtep->packets_out++;
		vtep->bytes_out += length + sizeof(*ethernet);
	}
	tally(&count->taken);
	return bpf_redirect(config->underlay_ifindex, 0);
}

/*
 * The IPv4 header of a packet that a lane can encapsulate, NULL (and counted) for what has to go
 * another way. BIG TCP has no length in the header; what is shorter than it says is not for us to
 * judge.
 */
static __always_inline struct iphdr *take_inner(struct cursor *cursor, const struct __sk_buff *skb,
						struct lane_counters *count)
{
	struct iphdr *inner = cursor_take(cursor, sizeof(*inner));
	__u32 length;

	if (!inner || inner->version != 4) {
		tally(&count->passed_truncated);
		return NULL;
	}
	if (inner->ihl != sizeof(*inner) / 4) {
		tally(&count->passed_ip_options);
		return NULL;
	}
	length = bpf_ntohs(inner->tot_len);
	if (length < sizeof(*inner) || length + sizeof(struct ethhdr) > skb->len ||
	    length + TUNNEL_OVERHEAD > 0xffff) {
		tally(&count->passed_truncated);
		return NULL;
	}
	return inner;
}

/* The node an address is at, NULL (and counted) when no tunnel leads there. */
static __always_inline struct subnet_value *find_tunnel(const struct config_value *config,
							__be32 address, struct lane_counters *count)
{
	struct subnet_value *subnet = find_subnet(config, address);

	if (!subnet) {
		tally(&count->passed_no_subnet);
		return NULL;
	}
	if (subnet->transport != TRANSPORT_VXLAN) {
		tally(&count->passed_other_transport);
		return NULL;
	}
	return subnet;
}

static __always_inline int lane_1_out(struct __sk_buff *skb, const struct config_value *config,
				      struct lane_counters *count)
{
	struct bpf_fib_lookup hop = {};
	struct cursor cursor = cursor_begin(skb);
	struct subnet_value subnet;
	struct subnet_value *found;
	struct ethhdr *ethernet;
	struct iphdr *inner;

	ethernet = cursor_take(&cursor, sizeof(*ethernet));
	if (!ethernet || ethernet->h_proto != bpf_htons(ETH_P_IP)) {
		tally(&count->passed_not_ipv4);
		return TC_ACT_UNSPEC;
	}
	inner = take_inner(&cursor, skb, count);
	if (!inner)
		return TC_ACT_UNSPEC;
	found = find_tunnel(config, inner->daddr, count);
	if (!found)
		return TC_ACT_UNSPEC;
	subnet = *found;
	if (!find_next_hop(skb, config, &subnet,
			   outer_length(skb, inner, transport_length(cursor, inner->protocol)),
			   &hop, count))
		return TC_ACT_UNSPEC;
	return encapsulate(skb, config, &subnet, &hop, bpf_ntohs(inner->tot_len), inner->tos, 0,
			   count);
}
