using Accelerated.Interop.Netfilter;
using Accelerated.Interop.Netlink;

namespace Accelerated.Interop.Nftables;

/// <summary>Chains between bytes and records.</summary>
internal static class NftChainReader
{
    internal static FilterChain Read(FilterFamily family, ReadOnlySpan<byte> payload, Func<string, IReadOnlyList<FilterRule>> rules)
    {
        var (name, kind, hook, drops) = ("", "", FilterHook.None, false);
        var devices = new List<string>();
        NetlinkReader.Struct<NfGenMsg>(payload, out var attributes);
        while (attributes.TryRead(out var attribute))
        {
            switch (attribute.Type)
            {
                case Nft.NFTA_CHAIN_NAME:
                    name = attribute.Text();
                    break;
                case Nft.NFTA_CHAIN_TYPE:
                    kind = attribute.Text();
                    break;
                case Nft.NFTA_CHAIN_POLICY:
                    drops = attribute.U32BigEndian() == Nft.NF_DROP;
                    break;
                case Nft.NFTA_CHAIN_HOOK:
                    hook = Hook(family, attribute.Nested(), devices);
                    break;
            }
        }

        return new(name, hook, kind, hook != FilterHook.None && drops, devices, rules(name));
    }

    private static FilterHook Hook(FilterFamily family, AttributeReader attributes, List<string> devices)
    {
        var hook = FilterHook.None;
        while (attributes.TryRead(out var attribute))
        {
            switch (attribute.Type)
            {
                case Nft.NFTA_HOOK_HOOKNUM:
                    hook = Hook(family, attribute.U32BigEndian());
                    break;
                case Nft.NFTA_HOOK_DEV:
                    devices.Add(attribute.Text());
                    break;
                case Nft.NFTA_HOOK_DEVS:
                    var names = attribute.Nested();
                    while (names.TryRead(out var device))
                        devices.Add(device.Type == Nft.NFTA_DEVICE_PREFIX ? device.Text() + "*" : device.Text());
                    break;
            }
        }

        // A chain on one device has both attributes.
        var distinct = devices.Distinct(StringComparer.Ordinal).ToList();
        devices.Clear();
        devices.AddRange(distinct);
        return hook;
    }

    private static FilterHook Hook(FilterFamily family, uint number) => (family, number) switch
    {
        (FilterFamily.Netdev, 0) => FilterHook.Ingress,
        (FilterFamily.Netdev, 1) => FilterHook.Egress,
        (FilterFamily.Arp, 0) => FilterHook.Input,
        (FilterFamily.Arp, 1) => FilterHook.Output,
        (FilterFamily.Arp, 2) => FilterHook.Forward,
        (_, 0) => FilterHook.Prerouting,
        (_, 1) => FilterHook.Input,
        (_, 2) => FilterHook.Forward,
        (_, 3) => FilterHook.Output,
        (_, 4) => FilterHook.Postrouting,
        _ => FilterHook.Ingress, // NF_INET_INGRESS; the bridge's broute comes as prerouting.
    };
}
