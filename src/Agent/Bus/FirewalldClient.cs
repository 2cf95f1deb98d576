using System.Collections.Immutable;
using System.Globalization;
using Accelerated.Agent.Cli;
using Accelerated.Agent.Datapath.Foreign;
using Accelerated.Agent.Reconcile;
using Accelerated.Agent.State;
using Accelerated.Interop.Systemd;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent.Bus;

/// <summary>
/// Has firewalld let the overlay through: the VXLAN port in the zone of the underlay's interface, and the overlay's device in the zone "trusted". In its
/// running configuration, again after each reload; what an operator configured stands.
/// </summary>
public sealed partial class FirewalldClient(AgentOptions options, FirewalldRecord record, ReconcileLoop loop, InputStore store, TimeProvider time, ILogger<FirewalldClient> log) : IBusClient
{
    /// <summary>Code of the problem shown while firewalld refuses.</summary>
    public const string Refused = "firewalld";

    private const string Trusted = "trusted";
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(30);

    private ImmutableSortedSet<(string Kind, string Zone, string What)>? _done;
    private (string Underlay, string Device, ushort Port, PortOpening Opening)? _for;
    private long? _refusedAt;

    /// <inheritdoc/>
    public void Join(SystemBus bus)
    {
        ArgumentNullException.ThrowIfNull(bus);
        Forget();
        bus.Match(FirewalldRecord.Service, FirewalldRecord.ObjectPath, FirewalldRecord.Service, "Reloaded", _ => Forget());
        bus.WhenOwnerChanges(FirewalldRecord.Service, _ => Forget());
    }

    /// <inheritdoc/>
    public void Look(SystemBus bus)
    {
        ArgumentNullException.ThrowIfNull(bus);
        if (loop.Outcome is not { Node.Interface: { } underlay, Desired: { Overlays: [{ Device: { } device }, ..] } desired })
            return;
        // Without the guard the port would be open to everybody.
        var opening = ForeignSpec.Opening(desired, options.Firewall, !loop.Outcome.Problems.ContainsKey(ReconcileLoop.NoFirewall));
        var wanted = (underlay, device.Name, device.Port, opening);
        if (_for == wanted || (_refusedAt is { } at && time.GetElapsedTime(at) < Pause))
            return;
        try
        {
            if (bus.HasOwner(FirewalldRecord.Service))
                Apply(bus, underlay, device, opening);
            (_for, _refusedAt) = (wanted, null);
            store.Resolve(Refused);
        }
        catch (BusException e) when (!e.IsDisconnected)
        {
            var port = device.Port.ToString(CultureInfo.InvariantCulture);
            Complain($"firewalld was asked to let the overlay through and refused: {e.Message}",
                $"firewall-cmd --add-port={port}/udp and firewall-cmd --zone=trusted --add-interface={device.Name} yourself, or --open-port=false");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Complain($"firewalld is not asked to let the overlay through, because {record.FilePath} cannot be read or written, and nothing would tell afterwards what is ours: {e.Message}",
                "make the directory writable, or name another with --state-dir; remove the file if it is damaged");
        }
    }

    private void Forget() => (_for, _refusedAt) = (null, null);

    private void Apply(SystemBus bus, string underlay, OverlayDevice device, PortOpening opening)
    {
        var before = _done ?? record.Read();
        var now = ImmutableSortedSet.CreateBuilder<(string Kind, string Zone, string What)>();
        if (opening == PortOpening.Keep)
        {
            now.UnionWith(before.Where(e => e.Kind == FirewalldRecord.Port));
        }
        else if (opening == PortOpening.Open)
        {
            var (zone, port) = (ZoneOf(bus, underlay) is { Length: > 0 } own ? own : DefaultZone(bus), device.Port.ToString(CultureInfo.InvariantCulture));
            if (!FirewalldRecord.Has(bus, "queryPort", zone, port, "udp"))
            {
                Keep(before.Add((FirewalldRecord.Port, zone, port)));
                if (TryAdd(() => bus.Call(FirewalldRecord.Service, FirewalldRecord.ObjectPath, FirewalldRecord.Zones, "addPort", null, BusValue.Of(zone), BusValue.Of(port), BusValue.Of("udp"), BusValue.Of(0))))
                {
                    LogDone($"lets UDP port {port} in by the zone {zone}");
                    now.Add((FirewalldRecord.Port, zone, port));
                }
            }
            else if (before.Contains((FirewalldRecord.Port, zone, port)))
            {
                now.Add((FirewalldRecord.Port, zone, port));
            }
        }

        if (ZoneOf(bus, device.Name).Length == 0)
        {
            Keep([.. before, .. now, (FirewalldRecord.Interface, Trusted, device.Name)]);
            if (TryAdd(() => bus.Call(FirewalldRecord.Service, FirewalldRecord.ObjectPath, FirewalldRecord.Zones, "addInterface", null, BusValue.Of(Trusted), BusValue.Of(device.Name))))
            {
                LogDone($"trusts {device.Name}");
                now.Add((FirewalldRecord.Interface, Trusted, device.Name));
            }
        }
        else if (before.Contains((FirewalldRecord.Interface, Trusted, device.Name)))
        {
            now.Add((FirewalldRecord.Interface, Trusted, device.Name));
        }

        // Of another port or device, from before.
        foreach (var stale in before.Except(now))
            FirewalldRecord.Remove(bus, stale);
        Keep(now.ToImmutable());
    }

    /// <summary>Written down before it is done: a crash in between leaves nothing that cleanup would not find.</summary>
    private void Keep(ImmutableSortedSet<(string Kind, string Zone, string What)> entries)
    {
        if (_done is not null && _done.SetEquals(entries))
            return;
        record.Write(entries);
        _done = entries;
    }

    /// <summary>Adds something; false if somebody was quicker, and it is theirs.</summary>
    private static bool TryAdd(Action add)
    {
        try
        {
            add();
            return true;
        }
        catch (BusException e) when (e.Message.Contains("ALREADY_ENABLED", StringComparison.Ordinal))
        {
            return false;
        }
    }

    private static string ZoneOf(SystemBus bus, string name)
    {
        var zone = "";
        bus.Call(FirewalldRecord.Service, FirewalldRecord.ObjectPath, FirewalldRecord.Zones, "getZoneOfInterface", r => zone = r.ReadText(), BusValue.Of(name));
        return zone;
    }

    private static string DefaultZone(SystemBus bus)
    {
        var zone = "";
        bus.Call(FirewalldRecord.Service, FirewalldRecord.ObjectPath, FirewalldRecord.Service, "getDefaultZone", r => zone = r.ReadText());
        return zone;
    }

    private void Complain(string message, string remedy)
    {
        _refusedAt = time.GetTimestamp();
        var problem = new Problem(ProblemSeverity.Warning, Refused, message, remedy);
        if (store.Current.Problems.GetValueOrDefault(Refused) != problem)
            LogRefused(problem.Message);
        store.Report(problem);
    }

    [LoggerMessage(1541, LogLevel.Information, "firewalld {Done}")]
    private partial void LogDone(string done);

    [LoggerMessage(1542, LogLevel.Warning, "{Message}")]
    private partial void LogRefused(string message);
}
