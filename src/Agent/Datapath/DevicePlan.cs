using Accelerated.Agent.State;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Datapath;

/// <summary>What has to be done to a VTEP device. Pure.</summary>
/// <param name="Recreate">Why the device has to be made anew, or null when it can stay (or is not there).</param>
/// <param name="Requests">Requests in order. A device that was created is down: compare once more to bring it up.</param>
public sealed record DevicePlan(string? Recreate, IReadOnlyList<RouteRequest> Requests)
{
    /// <summary>Compares the device wanted with the one there is.</summary>
    /// <exception cref="DatapathException">Another kind of device has the name.</exception>
    public static DevicePlan Between(OverlayDevice wanted, Link? actual)
    {
        var spec = Spec(wanted);
        if (actual is null)
            return new DevicePlan(null, [RouteRequest.CreateVxlan(spec)]);
        if (actual.Vxlan is not { } existing)
        {
            throw new DatapathException(
                $"the device name {wanted.Name} is taken by a device of kind {actual.Kind ?? "unknown"}: rename it (ip link set {wanted.Name} name …), or set another Backend.VNI in the config");
        }

        if (Difference(spec.Parameters, existing) is { } difference)
        {
            return new DevicePlan(difference, [RouteRequest.DeleteLink(actual.Index, actual.Name), RouteRequest.CreateVxlan(spec)]);
        }

        var (mac, mtu, up) = (actual.Address != wanted.Mac, actual.Mtu != wanted.Mtu, !actual.IsUp);
        return mac || mtu || up
            ? new DevicePlan(null, [RouteRequest.UpdateLink(actual.Index, actual.Name, mac ? wanted.Mac : null, mtu ? wanted.Mtu : null, up ? true : null)])
            : new DevicePlan(null, []);
    }

    private static VxlanLinkSpec Spec(OverlayDevice wanted) =>
        new(wanted.Name,
            new VxlanParameters
            {
                Vni = wanted.Vni,
                UnderlayIndex = wanted.UnderlayIndex,
                Local = wanted.Local,
                Port = wanted.Port,
                Learning = wanted.Learning,
                Gbp = wanted.Gbp,
            },
            wanted.Mac, wanted.Mtu);

    /// <summary>The first property that cannot be changed on a living device and differs, in words; flannel compares the same ones.</summary>
    private static string? Difference(VxlanParameters wanted, VxlanParameters actual)
    {
        (string Name, object? Wanted, object? Actual)[] fixedProperties =
        [
            ("VNI", wanted.Vni, actual.Vni),
            ("underlay ifindex", wanted.UnderlayIndex, actual.UnderlayIndex),
            ("local address", wanted.Local, actual.Local),
            ("group", wanted.Group, actual.Group),
            ("port", wanted.Port, actual.Port),
            ("learning", wanted.Learning, actual.Learning),
            ("GBP", wanted.Gbp, actual.Gbp),
            ("external", wanted.CollectMetadata, actual.CollectMetadata),
            ("l2miss", wanted.L2Miss, actual.L2Miss),
        ];
        foreach (var (name, want, have) in fixedProperties)
        {
            if (!Equals(want, have))
                return $"{name} is {have ?? "none"}, not {want ?? "none"}";
        }

        return null;
    }
}
