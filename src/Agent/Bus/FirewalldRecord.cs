using System.Collections.Immutable;
using Accelerated.Agent.Node;
using Accelerated.Interop.Systemd;

namespace Accelerated.Agent.Bus;

/// <summary>
/// What this agent has added to firewalld's running configuration, in a file of a line each: <c>port ZONE PORT</c> or <c>interface ZONE DEVICE</c>. Only
/// that is ever taken away again.
/// </summary>
/// <param name="directory"><c>--state-dir</c>.</param>
/// <param name="instance"><c>--instance</c>.</param>
public sealed class FirewalldRecord(string directory, string instance)
{
    internal const string Service = "org.fedoraproject.FirewallD1";
    internal const string ObjectPath = "/org/fedoraproject/FirewallD1";
    internal const string Zones = "org.fedoraproject.FirewallD1.zone";
    internal const string Port = "port";
    internal const string Interface = "interface";
    private const UnixFileMode FileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Where it is.</summary>
    public string FilePath { get; } = Path.Combine(directory, instance + ".firewalld");

    /// <summary>What was added.</summary>
    /// <exception cref="IOException">Not readable.</exception>
    /// <exception cref="UnauthorizedAccessException">Not readable.</exception>
    public ImmutableSortedSet<(string Kind, string Zone, string What)> Read() => !File.Exists(FilePath)
        ? []
        : [.. File.ReadLines(FilePath).Select(l => l.Split(' ')).Where(w => w is [Port or Interface, _, _]).Select(w => (w[0], w[1], w[2]))];

    /// <summary>Replaces the file.</summary>
    /// <exception cref="IOException">Not writable.</exception>
    /// <exception cref="UnauthorizedAccessException">Not writable.</exception>
    public void Write(ImmutableSortedSet<(string Kind, string Zone, string What)> entries)
    {
        ArgumentNullException.ThrowIfNull(entries);
        if (entries.IsEmpty)
        {
            File.Delete(FilePath);
            return;
        }

        Directory.CreateDirectory(directory);
        AtomicFile.Write(FilePath, string.Concat(entries.Select(e => $"{e.Kind} {e.Zone} {e.What}\n")), FileMode);
    }

    /// <summary>Takes away what was added, as far as it is still there. A firewalld that does not run has forgotten it.</summary>
    /// <exception cref="Interop.NativeException">firewalld refuses.</exception>
    public void Undo()
    {
        using var bus = SystemBus.Open();
        if (bus.HasOwner(Service))
        {
            foreach (var entry in Read())
                Remove(bus, entry);
        }

        File.Delete(FilePath);
    }

    internal static void Remove(SystemBus bus, (string Kind, string Zone, string What) entry)
    {
        if (entry.Kind == Port && Has(bus, "queryPort", entry.Zone, entry.What, "udp"))
            bus.Call(Service, ObjectPath, Zones, "removePort", null, BusValue.Of(entry.Zone), BusValue.Of(entry.What), BusValue.Of("udp"));
        else if (entry.Kind == Interface && Has(bus, "queryInterface", entry.Zone, entry.What))
            bus.Call(Service, ObjectPath, Zones, "removeInterface", null, BusValue.Of(entry.Zone), BusValue.Of(entry.What));
    }

    internal static bool Has(SystemBus bus, string query, params ReadOnlySpan<string> arguments)
    {
        var has = false;
        var values = new BusValue[arguments.Length];
        for (var i = 0; i < values.Length; i++)
            values[i] = BusValue.Of(arguments[i]);
        bus.Call(Service, ObjectPath, Zones, query, r => has = r.ReadBoolean(), values);
        return has;
    }
}
