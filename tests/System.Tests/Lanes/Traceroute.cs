using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Lanes;

/// <summary>traceroute(8) within a flow that is there already: datagrams with a TTL of 1, 2, … until one is answered.</summary>
internal static class Traceroute
{
    private const int MostHops = 8;
    private const int Ipv4Header = 20;
    private const int IcmpHeader = 8;
    private const byte TimeExceeded = 11;

    /// <summary>The addresses that say "time exceeded", in order, and at the end the one that answers.</summary>
    public static async Task<List<string>> HopsAsync(LabHost from, Conversation talk)
    {
        using var errors = Conversation.Open(from, SocketType.Raw, ProtocolType.Icmp);
        var flow = talk.Client;
        var (own, target, ttl) = ((IPEndPoint)flow.LocalEndPoint!, (IPEndPoint)flow.RemoteEndPoint!, flow.Ttl);
        var hops = new List<string>();
        try
        {
            for (short hop = 1; hop <= MostHops; hop++)
            {
                flow.Ttl = hop;
                flow.Send([(byte)hop]);
                string? router = null;
                await Wait.UntilAsync(
                    $"an answer to TTL {hop}", () => (router = TimeExceededFrom(errors, own.Port)) is not null || flow.Available > 0,
                    cancel: TestContext.Current.CancellationToken);
                if (router is null)
                {
                    flow.Receive(new byte[1]);
                    return [.. hops, target.Address.ToString()];
                }

                hops.Add(router);
            }
        }
        finally
        {
            flow.Ttl = ttl;
        }

        throw new LabException($"no answer within {MostHops} hops: {string.Join(", ", hops)}");
    }

    // Who says so of a datagram from a port; null if nobody does just now.
    private static string? TimeExceededFrom(Socket errors, int port)
    {
        const int quoted = Ipv4Header + IcmpHeader + Ipv4Header;
        var packet = new byte[1500];
        while (errors.Available > 0)
        {
            var length = errors.Receive(packet);
            if (length >= quoted + 2 && packet[Ipv4Header] == TimeExceeded && BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(quoted)) == port)
                return new IPAddress(packet.AsSpan(12, 4)).ToString();
        }

        return null;
    }
}
