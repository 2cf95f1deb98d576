using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using Accelerated.Agent.State;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>
/// Makes the maps equal to the desired state: reads what is in them, changes what differs. A node becomes known to the guard before its
/// subnet leads to it, and leaves in the opposite order.
/// </summary>
internal static class LaneMaps
{
    private const string PortRange = "/proc/sys/net/ipv4/ip_local_port_range";

    /// <summary>Applies a device's peers and configuration; returns each change in words.</summary>
    public static List<string> Apply(LaneProgram program, OverlayDevice device, int deviceIndex, LaneOptions options, bool mayPrune)
    {
        var changes = new List<string>();
        var vteps = device.Peers.ToDictionary(p => new VtepKey(p.Remote), _ => default(VtepValue));
        var subnets = device.Peers.ToDictionary(p => new SubnetKey(p.Subnet), p => new SubnetValue(p.Remote, p.VtepMac, SubnetTransport.Vxlan));
        subnets[new SubnetKey(device.Subnet)] = new SubnetValue(device.Local, device.Mac, SubnetTransport.Local);

        var knownVteps = Keys<VtepKey>(program.Vteps);
        foreach (var key in vteps.Keys.Where(k => !knownVteps.Contains(k)))
        {
            program.Vteps.UpdatePerCpu(key, default(VtepValue));
            changes.Add($"add {key} to the map of VTEPs");
        }

        var knownSubnets = Keys<SubnetKey>(program.Subnets);
        foreach (var (key, value) in subnets)
        {
            if (knownSubnets.Contains(key) && program.Subnets.TryLookup(key, out SubnetValue there) && there.Equals(value))
                continue;
            program.Subnets.Update(key, value);
            changes.Add($"set {key} to {value} in the map of subnets");
        }

        // Before a whole snapshot of the leases is in, an unknown sender may be a peer we have not heard of: only count.
        var guard = mayPrune || options.Guard == GuardMode.Off ? options.Guard : GuardMode.Observe;
        var config = Config(device, deviceIndex, guard, options.TunnelIn);
        if (!program.Config.TryLookup(0u, out ConfigValue current) || !current.Equals(config))
        {
            program.Config.Update(0u, config);
            changes.Add($"configure the lanes: {config}");
        }

        if (!mayPrune)
            return changes;
        foreach (var key in knownSubnets.Where(k => !subnets.ContainsKey(k)))
        {
            program.Subnets.Delete(key);
            changes.Add($"remove {key} from the map of subnets");
        }

        foreach (var key in knownVteps.Where(k => !vteps.ContainsKey(k)))
        {
            program.Vteps.Delete(key);
            changes.Add($"remove {key} from the map of VTEPs");
        }

        return changes;
    }

    private static ConfigValue Config(OverlayDevice device, int deviceIndex, GuardMode guard, bool tunnelIn)
    {
        var (low, high) = SourcePorts();
        return new ConfigValue(
            (uint)deviceIndex, (uint)device.UnderlayIndex, device.Local, device.Mac, guard, device.Vni, device.Port, low, high, tunnelIn);
    }

    /// <summary>The driver draws source ports from the local port range; so do the lanes.</summary>
    private static (ushort Low, ushort High) SourcePorts()
    {
        var words = File.ReadAllText(PortRange).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return (ushort.Parse(words[0], CultureInfo.InvariantCulture), ushort.Parse(words[1], CultureInfo.InvariantCulture));
    }

    private static HashSet<TKey> Keys<TKey>(BpfMap map)
        where TKey : unmanaged, IEquatable<TKey> => [.. map.Keys<TKey>()];
}
