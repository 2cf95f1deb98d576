using System.Globalization;
using Accelerated.Agent.State;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Datapath;

/// <summary>
/// The kernel's own vxlan driver, programmed as flannel does it: the device, its address, and per peer a permanent neighbour, an FDB
/// entry and an onlink route. Everything on the device is ours; elsewhere only routes with our protocol number, and flannel's
/// leftovers. Peers that need no encapsulation get a plain route by way of their host; without a device that is all there is.
/// The eBPF lanes are laid over this and never replace it.
/// </summary>
/// <param name="routes">The kernel.</param>
/// <param name="usesDevice">False: no VTEP device is made, as <c>--datapath=host-gw</c> says.</param>
/// <param name="time">The clock.</param>
public sealed class KernelDatapath(RouteSocket routes, bool usesDevice, TimeProvider time) : IDatapath
{
    /// <summary>Creating, comparing again and bringing up takes two rounds; more means that somebody works against us.</summary>
    private const int DeviceRounds = 4;

    private readonly RetryBackoff _backoff = new(time);
    private static readonly CarrierInUse Driver = new("kernel", "the kernel's vxlan driver, as --datapath=kernel says");

    private CarrierInUse _carrier = Driver;

    /// <inheritdoc/>
    public string Name => Volatile.Read(ref _carrier).Name;

    /// <inheritdoc/>
    public string Reason => Volatile.Read(ref _carrier).Reason;

    /// <inheritdoc/>
    public AcceptMark? Mark => null;

    /// <inheritdoc/>
    public bool HasLanes => false;

    /// <inheritdoc/>
    public IReadOnlyList<ContainerStatus> Containers => [];

    /// <inheritdoc/>
    public DatapathUsage Usage() => DatapathUsage.None;

    /// <inheritdoc/>
    public IReadOnlyList<Refusal> Refusals(long after) => [];

    /// <inheritdoc/>
    public TimeSpan? Beat() => null;

    /// <inheritdoc/>
    public DatapathReport Apply(DesiredState desired)
    {
        var changes = new List<string>();
        var interfaces = new HashSet<int>();
        var planned = new List<KernelChange>();
        string? noDevice = null;
        foreach (var overlay in desired.Overlays)
        {
            interfaces.Add(overlay.UnderlayIndex);
            var (index, obstacle) = overlay.Device is { } device ? EnsureDevice(overlay, device, changes) : default;
            if (index != 0)
                interfaces.Add(index);
            noDevice ??= obstacle;
            // What another run has set up on a device that is not as it should be may still carry packets.
            var mayPrune = desired.MayPrune && (obstacle is null || overlay.IsHostGw);
            var plan = RoutingPlan.Between(overlay, index, KernelState.Read(routes, overlay, index), mayPrune);
            planned.AddRange(plan);
            Execute(plan, overlay, index, changes);
            Volatile.Write(ref _carrier, Carrier(overlay, obstacle));
        }

        _backoff.KeepOnly(planned);
        return new DatapathReport(changes, _backoff.Waiting, _backoff.NextDue, interfaces) { NoDevice = noDevice };
    }

    private static CarrierInUse Carrier(OverlayNetwork overlay, string? obstacle) => overlay switch
    {
        { Device: null } => new("host-gw", "plain routes, as Backend.Type host-gw in the network config says"),
        { IsHostGw: true } => new("host-gw", $"plain routes: {obstacle ?? "the VXLAN device is there again, and the lease about to say so"}"),
        _ when obstacle is not null => new("none", obstacle),
        _ => Driver,
    };

    /// <summary>The device's ifindex, or 0 and why it cannot be had.</summary>
    private (int Index, string? Obstacle) EnsureDevice(OverlayNetwork overlay, OverlayDevice device, List<string> changes)
    {
        if (!usesDevice)
            return (0, "no VXLAN device is used, as --datapath=host-gw says");
        try
        {
            return (EnsureAsWanted(overlay, device, changes), null);
        }
        catch (DatapathException e)
        {
            return (0, WithNames(e.Message, overlay, 0));
        }
    }

    private int EnsureAsWanted(OverlayNetwork overlay, OverlayDevice device, List<string> changes)
    {
        for (var round = 0; round < DeviceRounds; round++)
        {
            var link = routes.FindLink(device.Name);
            var plan = DevicePlan.Between(device, link);
            if (plan.Requests.Count == 0)
                return link!.Index;
            if (plan.Recreate is { } reason)
                changes.Add($"{device.Name} has to be made anew: its {reason}");
            foreach (var request in plan.Requests)
            {
                Execute(request, device);
                changes.Add(WithNames(request.Description, overlay, 0));
            }

            IgnoreRouterAdvertisements(device.Name);
        }

        throw new DatapathException($"{device.Name} does not stay as it is set: another program changes it. Find out which (udev, NetworkManager, systemd-networkd or a second agent) and make it leave {device.Name} alone");
    }

    private void Execute(RouteRequest request, OverlayDevice device)
    {
        try
        {
            routes.Execute(request);
        }
        catch (NetlinkException e) when (e.AlreadyExists)
        {
            throw new DatapathException($"{e.Message}: VNI {device.Vni} on UDP port {device.Port} is in use by another device (ip -d link show type vxlan). Remove it, or set another Backend.VNI or Backend.Port in the config", e);
        }
        catch (NetlinkException e) when (e.AddressInUse)
        {
            throw new DatapathException($"{e.Message}: UDP port {device.Port} is in use (ip -d link show type vxlan; ss -lunp). Stop what uses it, or set another Backend.Port in the config", e);
        }
        catch (NetlinkException e)
        {
            throw new DatapathException($"{e.Message}: {device.Name} cannot be had", e);
        }
    }

    private void Execute(IReadOnlyList<KernelChange> plan, OverlayNetwork overlay, int index, List<string> changes)
    {
        var due = plan.Where(c => !_backoff.Holds(c)).ToList();
        if (due.Count == 0)
            return;
        var results = routes.Execute(due.ConvertAll(c => c.Request));
        for (var i = 0; i < due.Count; i++)
        {
            if (results[i] is { } error)
            {
                _backoff.Failed(due[i], new DatapathFailure(due[i].Peer, WithNames(error.Message, overlay, index)));
                continue;
            }

            _backoff.Succeeded(due[i]);
            changes.Add(WithNames(due[i].Request.Description, overlay, index));
        }
    }

    /// <summary>Requests know interfaces by number; an operator knows them by name.</summary>
    private static string WithNames(string text, OverlayNetwork overlay, int index)
    {
        text = Named(text, overlay.UnderlayIndex, overlay.Underlay);
        return index == 0 ? text : Named(text, index, overlay.Device!.Name);
    }

    private static string Named(string text, int index, string name)
    {
        var number = string.Create(CultureInfo.InvariantCulture, $"dev #{index}");
        var at = text.IndexOf(number, StringComparison.Ordinal);
        var end = at + number.Length;
        return at < 0 || (end < text.Length && char.IsAsciiDigit(text[end])) ? text : $"{text[..at]}dev {name}{text[end..]}";
    }

    /// <summary>The overlay has no routers; flannel switches this off as well. Without IPv6 there is no such file.</summary>
    private static void IgnoreRouterAdvertisements(string device)
    {
        try
        {
            File.WriteAllText($"/proc/sys/net/ipv6/conf/{device}/accept_ra", "0");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // ignoring: read-only /proc/sys or a kernel without IPv6; nothing on the overlay sends advertisements but an attacker.
        }
    }

    /// <summary>One object, because others read both at once.</summary>
    private sealed record CarrierInUse(string Name, string Reason);
}
