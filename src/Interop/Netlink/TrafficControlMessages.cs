using System.Buffers.Binary;

namespace Accelerated.Interop.Netlink;

/// <summary>Messages about queueing disciplines and filters: struct tcmsg and its attributes (linux/rtnetlink.h).</summary>
internal static class TrafficControlMessages
{
    internal const uint TC_H_CLSACT = 0xfffffff1;
    internal const uint ClsactIngress = 0xfffffff2; // TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
    internal const uint ClsactEgress = 0xfffffff3;

    private const ushort TCA_KIND = 1;
    private const ushort ETH_P_ALL = 3;

    internal static NetlinkWriter Get(int interfaceIndex, uint parent = 0) =>
        new NetlinkWriter().Struct(new TcMsg { tcm_ifindex = interfaceIndex, tcm_parent = parent });

    /// <summary>One filter for all protocols.</summary>
    internal static NetlinkWriter Filter(int interfaceIndex, uint parent, TrafficFilter filter) =>
        new NetlinkWriter()
            .Struct(new TcMsg
            {
                tcm_ifindex = interfaceIndex,
                tcm_handle = filter.Handle,
                tcm_parent = parent,
                tcm_info = (uint)filter.Priority << 16 | BinaryPrimitives.ReverseEndianness(ETH_P_ALL),
            })
            .Text(TCA_KIND, filter.Kind);

    internal static QueueDiscipline DecodeQdisc(ReadOnlySpan<byte> payload)
    {
        var (header, kind) = Decode(payload);
        return new(header.tcm_ifindex, kind, header.tcm_handle, header.tcm_parent);
    }

    /// <summary>A filter; null for the entry that stands for the whole priority.</summary>
    internal static TrafficFilter? DecodeFilter(ReadOnlySpan<byte> payload)
    {
        var (header, kind) = Decode(payload);
        return header.tcm_handle == 0 ? null : new(header.tcm_ifindex, kind, header.tcm_handle, (int)(header.tcm_info >> 16));
    }

    private static (TcMsg Header, string Kind) Decode(ReadOnlySpan<byte> payload)
    {
        var header = NetlinkReader.Struct<TcMsg>(payload, out var attributes);
        var kind = "";
        while (attributes.TryRead(out var attribute))
        {
            if (attribute.Type == TCA_KIND)
                kind = attribute.Text();
        }

        return (header, kind);
    }
}
