using System.Diagnostics;
using System.Globalization;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>Collects what the guard shows of what it refuses, and keeps the latest. Safe from any thread.</summary>
internal sealed class RefusalFeed(TimeProvider time) : IDisposable
{
    private const int Kept = 256;
    private const ushort Ipv4 = 0x0800;

    private readonly Lock _gate = new();
    private readonly Queue<Refusal> _latest = new();
    private BpfRingBuffer<RefusalSample>? _ring;
    private string _interface = "";
    private long _count;

    /// <summary>Reads this ring from now on, instead of the one before; null for none.</summary>
    /// <param name="refusals">The map.</param>
    /// <param name="interfaceName">Where the program is that fills it.</param>
    /// <exception cref="NativeException">The map cannot be read.</exception>
    public void Follow(BpfMap? refusals, string interfaceName)
    {
        lock (_gate)
        {
            Collect();
            _ring?.Dispose();
            _ring = refusals is null ? null : new(refusals);
            _interface = interfaceName;
        }
    }

    /// <summary>What came after a number, oldest first, as far as it is kept.</summary>
    /// <exception cref="NativeException">The ring cannot be read.</exception>
    public IReadOnlyList<Refusal> Since(long number)
    {
        lock (_gate)
        {
            Collect();
            return [.. _latest.Where(r => r.Number > number)];
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _ring?.Dispose();
            _ring = null;
        }
    }

    private void Collect()
    {
        if (_ring is null)
            return;
        // The programs' clock is .NET's on Linux: CLOCK_MONOTONIC.
        var (now, ticks) = (time.GetUtcNow(), Stopwatch.GetTimestamp());
        foreach (var sample in _ring.Consume())
        {
            if (_latest.Count == Kept)
                _latest.Dequeue();
            _latest.Enqueue(Refusal(sample, now - Stopwatch.GetElapsedTime((long)sample.At, ticks)));
        }
    }

    private Refusal Refusal(in RefusalSample sample, DateTimeOffset at)
    {
        var isIpv4 = sample.InnerType == Ipv4;
        return new(
            ++_count, at, Word(sample.Reason), sample.Dropped != 0, sample.OuterSource.ToString(), _interface,
            isIpv4 ? Protocol(sample.InnerProtocol) : string.Create(CultureInfo.InvariantCulture, $"ethertype 0x{sample.InnerType:x4}"),
            isIpv4 ? sample.InnerSource.ToString() : null, isIpv4 ? sample.InnerDestination.ToString() : null, sample.Length);
    }

    private static string Word(RefusalReason reason) => reason switch
    {
        RefusalReason.UnknownVtep => "unknown_vtep",
        RefusalReason.ForgedSource => "forged_source",
        RefusalReason.InnerVlan => "inner_vlan",
        RefusalReason.Fragment => "fragment",
        _ => string.Create(CultureInfo.InvariantCulture, $"reason {(byte)reason}"),
    };

    private static string Protocol(byte number) => number switch
    {
        1 => "icmp",
        6 => "tcp",
        17 => "udp",
        _ => string.Create(CultureInfo.InvariantCulture, $"ip protocol {number}"),
    };
}
