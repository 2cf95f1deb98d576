using System.Globalization;
using Accelerated.Agent.State;
using Accelerated.Interop.Netlink;

namespace Accelerated.Agent.Datapath;

/// <summary>
/// The kernel's own vxlan driver, programmed as flannel does it: the device, its address, and per peer a permanent neighbour, an FDB
/// entry and an onlink route. Everything on the device is ours; elsewhere only routes with our protocol number, and flannel's
/// leftovers. The eBPF lanes are laid over this and never replace it.
/// </summary>
public sealed class KernelDatapath(RouteSocket routes, TimeProvider time) : IDatapath
{
    /// <summary>Creating, comparing again and bringing up takes two rounds; more means that somebody works against us.</summary>
    private const int DeviceRounds = 4;

    private readonly RetryBackoff _backoff = new(time);

    /// <inheritdoc/>
    public string Name => "kernel";

    /// <inheritdoc/>
    public string Reason => "the kernel's vxlan driver, as --datapath=kernel says";

    /// <inheritdoc/>
    public AcceptMark? Mark => null;

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
        foreach (var device in desired.Devices)
        {
            interfaces.Add(device.UnderlayIndex);
            var index = EnsureDevice(device, changes);
            interfaces.Add(index);
            var plan = RoutingPlan.Between(device, index, KernelState.Read(routes, device, index), desired.MayPrune);
            planned.AddRange(plan);
            Execute(plan, device, index, changes);
        }

        _backoff.KeepOnly(planned);
        return new DatapathReport(changes, _backoff.Waiting, _backoff.NextDue, interfaces);
    }

    private int EnsureDevice(OverlayDevice device, List<string> changes)
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
                changes.Add(request.Description);
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

    private void Execute(IReadOnlyList<KernelChange> plan, OverlayDevice device, int index, List<string> changes)
    {
        var due = plan.Where(c => !_backoff.Holds(c)).ToList();
        if (due.Count == 0)
            return;
        var results = routes.Execute(due.ConvertAll(c => c.Request));
        var anonymous = string.Create(CultureInfo.InvariantCulture, $"dev #{index}");
        for (var i = 0; i < due.Count; i++)
        {
            if (results[i] is { } error)
            {
                _backoff.Failed(due[i], new DatapathFailure(due[i].Peer, error.Message.Replace(anonymous, $"dev {device.Name}", StringComparison.Ordinal)));
                continue;
            }

            _backoff.Succeeded(due[i]);
            changes.Add(due[i].Request.Description.Replace(anonymous, $"dev {device.Name}", StringComparison.Ordinal));
        }
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
}
