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

    /// <summary>A transaction that leaves exactly these rules, whatever was there.</summary>
    public static string Replace(string table, FirewallSpec spec)
    {
        var text = new StringBuilder(1024);
        text.Append(CultureInfo.InvariantCulture, $"add table inet {table}\ndelete table inet {table}\n");
        if (!spec.Masquerade && !spec.AcceptForwarded)
            return text.ToString();
        text.Append(CultureInfo.InvariantCulture, $"table inet {table} {{\n");
        if (spec.AcceptForwarded)
            AppendForward(text, spec);
        if (spec.Masquerade)
            AppendMasquerade(text, spec);
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

    private static string Family(FirewallSpec spec) => spec.Network.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? "ip" : "ip6";
}
