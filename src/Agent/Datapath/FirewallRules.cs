using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Accelerated.Agent.State;

namespace Accelerated.Agent.Datapath;

/// <summary>
/// Our nftables table as text: flannel's masquerade and forward rules in meaning. One table of our own, replaced in one transaction, so
/// there is never a moment with half of the rules. Pure.
/// </summary>
public static class FirewallRules
{
    /// <summary>kube-proxy's mark for traffic it masquerades itself.</summary>
    private const string KubeProxyMark = "0x4000";

    /// <summary>Name of the table of an agent instance.</summary>
    public static string TableName(string instance) => $"accelerated-{instance}";

    /// <summary>Behind every chain but conntrack's own (NF_IP_PRI_CONNTRACK_CONFIRM is the largest number there is).</summary>
    private const int LastPriority = int.MaxValue - 1;

    /// <summary>A transaction that leaves exactly these rules, whatever was there.</summary>
    /// <param name="table">Name of the table.</param>
    /// <param name="spec">What the rules are to do.</param>
    /// <param name="mark">The proof lane 2 wants, or null.</param>
    public static string Replace(string table, FirewallSpec spec, AcceptMark? mark = null)
    {
        var text = new StringBuilder(1024);
        text.Append(CultureInfo.InvariantCulture, $"add table inet {table}\ndelete table inet {table}\n");
        if (!spec.Masquerade && !spec.AcceptForwarded && mark is null)
            return text.ToString();
        text.Append(CultureInfo.InvariantCulture, $"table inet {table} {{\n");
        if (spec.AcceptForwarded)
            AppendForward(text, spec);
        if (spec.Masquerade)
            AppendMasquerade(text, spec);
        if (mark is { Gateways.IsEmpty: false })
            AppendAcceptMark(text, spec, mark);
        text.Append("}\n");
        return text.ToString();
    }

    private static void AppendForward(StringBuilder text, FirewallSpec spec)
    {
        var (ip, network) = (Family(spec), spec.Network);
        text.Append(CultureInfo.InvariantCulture, $$"""
            	chain forward {
            		type filter hook forward priority filter; policy accept;
            		{{ip}} saddr {{network}} accept
            		{{ip}} daddr {{network}} accept
            	}

            """);
    }

    private static void AppendMasquerade(StringBuilder text, FirewallSpec spec)
    {
        var (ip, network, subnet) = (Family(spec), spec.Network, spec.Subnet);
        var multicast = spec.Network.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? "224.0.0.0/4" : "ff00::/8";
        var random = spec.FullyRandom ? " fully-random" : "";
        text.Append(CultureInfo.InvariantCulture, $$"""
            	chain postrouting {
            		type nat hook postrouting priority srcnat; policy accept;
            		meta mark & {{KubeProxyMark}} == {{KubeProxyMark}} return
            		{{ip}} saddr {{subnet}} {{ip}} daddr {{network}} return
            		{{ip}} saddr {{network}} {{ip}} daddr {{subnet}} return
            		{{ip}} saddr != {{network}} {{ip}} daddr {{subnet}} return
            		{{ip}} saddr {{network}} {{ip}} daddr != {{multicast}} masquerade{{random}}
            		{{ip}} saddr != {{network}} {{ip}} daddr {{network}} masquerade{{random}}
            	}

            """);
    }

    /// <summary>
    /// Only what all other rules have let through and the routing has sent the usual way comes here: from a container into the overlay, or
    /// the other way round.
    /// </summary>
    private static void AppendAcceptMark(StringBuilder text, FirewallSpec spec, AcceptMark mark)
    {
        var (ip, network, subnet) = (Family(spec), spec.Network, spec.Subnet);
        var gateways = string.Join(", ", mark.Gateways.Select(g => $"\"{g}\""));
        text.Append(CultureInfo.InvariantCulture, $$"""
            	chain accept_mark {
            		type filter hook postrouting priority {{LastPriority}}; policy accept;
            		meta l4proto != { tcp, udp } return
            		oifname "{{mark.Device}}" iifname { {{gateways}} } {{ip}} saddr {{subnet}} {{ip}} daddr {{network}} goto accepted
            		iifname "{{mark.Device}}" oifname { {{gateways}} } {{ip}} saddr {{network}} {{ip}} daddr {{subnet}} goto accepted
            	}
            	chain accepted {
            {{Direction("original", mark, mark.OriginalBit)}}
            {{Direction("reply", mark, mark.ReplyBit)}}
            	}

            """);
    }

    /// <summary>Adds a direction's bit to a mark of this generation, and begins a new mark otherwise.</summary>
    private static string Direction(string direction, AcceptMark mark, uint bit)
    {
        var (mask, value) = (mark.GenerationMask, mark.GenerationValue);
        return string.Create(CultureInfo.InvariantCulture, $"""
            		ct direction {direction} ct mark & 0x{mask | bit:x8} == 0x{value | bit:x8} return
            		ct direction {direction} ct mark & 0x{mask:x8} == 0x{value:x8} ct mark set ct mark | 0x{bit:x8} return
            		ct direction {direction} ct mark set ct mark & 0x{~mark.Mask:x8} | 0x{value | bit:x8} return
            """);
    }

    private static string Family(FirewallSpec spec) => spec.Network.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? "ip" : "ip6";
}
