using System.Globalization;
using System.Text;
using Accelerated.Agent.State;

namespace Accelerated.Agent.Tests.State;

/// <summary>A desired state as text, complete, so that two can be compared and a difference be read.</summary>
internal static class DesiredStateWords
{
    internal static string InWords(this DesiredState state)
    {
        var text = new StringBuilder();
        foreach (var o in state.Overlays)
        {
            foreach (var p in o.Direct)
                text.Append(CultureInfo.InvariantCulture, $"direct {p.Key}: {p.Subnet} via {p.Remote} dev {o.UnderlayIndex}{(p.MayEncapsulate ? " may encapsulate" : "")}\n");
            if (o.Device is not { } d)
                continue;
            text.Append(CultureInfo.InvariantCulture,
                $"device {d.Name} vni {d.Vni} port {d.Port} dev {d.UnderlayIndex} local {d.Local} mac {d.Mac} mtu {d.Mtu}")
                .Append(d.Learning ? " learning" : "").Append(d.Gbp ? " gbp" : "")
                .Append(CultureInfo.InvariantCulture, $" network {d.Network} subnet {d.Subnet}\n");
            foreach (var p in d.Peers)
                text.Append(CultureInfo.InvariantCulture, $"  {p.Key}: {p.Subnet} via {p.Vtep} lladdr {p.VtepMac} dst {p.Remote}\n");
        }

        var f = state.Firewall;
        text.Append(CultureInfo.InvariantCulture, $"firewall {f.Network} {f.Subnet}")
            .Append(f.Masquerade ? " masquerade" : "").Append(f.FullyRandom ? " random" : "").Append(f.AcceptForwarded ? " forward" : "").Append('\n');
        var g = f.Guard;
        text.Append(CultureInfo.InvariantCulture, $"guard {g.Mode} {g.Device} vni {g.Vni} port {g.Port} dev {g.UnderlayIndex} vteps {string.Join(",", g.Vteps)} allow {string.Join(",", g.Allowed)}\n");
        text.Append(CultureInfo.InvariantCulture, $"env {state.SubnetFile.ToFileText().TrimEnd().Replace('\n', ' ')}\n");
        text.Append(state.MayPrune ? "prune\n" : "keep\n");
        foreach (var (key, reason) in state.Rejected)
            text.Append(CultureInfo.InvariantCulture, $"rejected {key}: {reason}\n");
        return text.ToString();
    }
}
