using System.Globalization;
using System.Net;
using System.Text;
using Accelerated.Agent.Datapath.Lanes.Survey;
using Accelerated.Interop.Netfilter;

namespace Accelerated.Agent.Datapath.Foreign;

/// <summary>A rule of ours in a chain of iptables. It accepts.</summary>
/// <param name="Input">The interface packets come in by; null for any.</param>
/// <param name="Output">The interface they leave by; null for any.</param>
/// <param name="Source">Where they come from; null for anywhere.</param>
/// <param name="Destination">Where they go; null for anywhere.</param>
/// <param name="UdpPort">Their UDP destination port; null for any packet.</param>
public sealed record ForeignRule(string? Input, string? Output, IPNetwork? Source, IPNetwork? Destination, int? UdpPort)
{
    private const int Udp = 17;
    private const int NameLength = 16;

    /// <summary>In the words of iptables(8), beginning with the first condition.</summary>
    public string Text(string comment)
    {
        var text = new StringBuilder();
        Add("-s", Source);
        Add("-d", Destination);
        Add("-i", Input);
        Add("-o", Output);
        if (UdpPort is { } port)
            text.Append(CultureInfo.InvariantCulture, $"-p udp -m udp --dport {port} ");
        return text.Append(CultureInfo.InvariantCulture, $"-m comment --comment \"{comment}\" -j ACCEPT").ToString();

        void Add(string option, object? value)
        {
            if (value is not null)
                text.Append(CultureInfo.InvariantCulture, $"{option} {value} ");
        }
    }

    /// <summary>
    /// Recognises a rule of ours, of an earlier run too. What has the comment and is of another form somebody has changed: it is theirs.
    /// </summary>
    public static ForeignRule? Read(FilterRule rule, string comment)
    {
        if (rule.Comment != comment)
            return null;
        var result = new ForeignRule(null, null, null, null, null);
        var isUdp = false;
        foreach (var step in rule.Steps)
        {
            switch (step)
            {
                case OpaqueStep { Nature: StepNature.Neutral }:
                    break;
                case VerdictStep { Verdict.Kind: VerdictKind.Accept }:
                    return isUdp == result.UdpPort is not null ? result : null;
                case MatchStep { Negated: false, Set: null, Keys: [{ IsWhole: true } key], Elements: [{ Values: [var range] }] }:
                    switch (key.Field)
                    {
                        case PacketField.InputName when Name(range) is { } name:
                            result = result with { Input = name };
                            break;
                        case PacketField.OutputName when Name(range) is { } name:
                            result = result with { Output = name };
                            break;
                        case PacketField.Source when Network(range) is { } network:
                            result = result with { Source = network };
                            break;
                        case PacketField.Destination when Network(range) is { } network:
                            result = result with { Destination = network };
                            break;
                        case PacketField.DestinationPort when range.Low == range.High:
                            result = result with { UdpPort = (int)range.Low };
                            break;
                        case PacketField.Protocol when range.Low == range.High && range.Low == Udp:
                            isUdp = true;
                            break;
                        default:
                            return null;
                    }

                    break;
                default:
                    return null;
            }
        }

        return null;
    }

    /// <summary>A name is compared with its closing zero; what is behind that does not matter.</summary>
    private static string? Name(ValueRange range)
    {
        Span<byte> low = stackalloc byte[NameLength], high = stackalloc byte[NameLength];
        for (var i = 0; i < NameLength; i++)
        {
            low[i] = (byte)(range.Low >> (8 * (NameLength - 1 - i)));
            high[i] = (byte)(range.High >> (8 * (NameLength - 1 - i)));
        }

        var end = low.IndexOf((byte)0);
        return end > 0 && low[..(end + 1)].SequenceEqual(high[..(end + 1)]) ? Encoding.UTF8.GetString(low[..end]) : null;
    }

    private static IPNetwork? Network(ValueRange range)
    {
        for (var length = 0; length <= 32; length++)
        {
            if (range.High > uint.MaxValue || range.High - range.Low != (UInt128.One << (32 - length)) - 1)
                continue;
            var low = (uint)range.Low;
            var address = new IPAddress([(byte)(low >> 24), (byte)(low >> 16), (byte)(low >> 8), (byte)low]);
            return IPNetwork.TryParse(string.Create(CultureInfo.InvariantCulture, $"{address}/{length}"), out var network) && PacketClass.Network(network) == range ? network : null;
        }

        return null;
    }
}
