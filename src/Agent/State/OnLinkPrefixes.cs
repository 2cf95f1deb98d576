using System.Collections.Immutable;
using System.Net;

namespace Accelerated.Agent.State;

/// <summary>
/// Which hosts are on the underlay's own link, by the main routing table: the prefixes that the underlay interface reaches without a
/// gateway, less what a longer prefix sends to one. flannel asks the kernel for the route to each peer instead and looks for a
/// gateway; with ten thousand peers that is ten thousand questions in every pass.
/// </summary>
/// <remarks>Values are equal if they hold the same prefixes.</remarks>
public sealed class OnLinkPrefixes : IEquatable<OnLinkPrefixes>
{
    /// <summary>Nothing is on link.</summary>
    public static readonly OnLinkPrefixes None = new([]);

    // Longest first: the first that contains an address decides.
    private readonly ImmutableArray<(IPNetwork Prefix, bool OnLink)> _prefixes;

    private OnLinkPrefixes(ImmutableArray<(IPNetwork Prefix, bool OnLink)> prefixes) => _prefixes = prefixes;

    /// <summary>From the routes out of the underlay interface: destination, and whether there is no gateway.</summary>
    public static OnLinkPrefixes From(IEnumerable<(IPNetwork Prefix, bool OnLink)> routes)
    {
        var all = routes.Distinct().ToList();
        var links = all.Where(r => r.OnLink).Select(r => r.Prefix).ToList();
        // By way of a gateway matters only where it takes a piece out of a link: there may be thousands, and they are looked through for each peer.
        return new OnLinkPrefixes(
        [
            .. all.Where(r => r.OnLink || links.Exists(l => l.PrefixLength < r.Prefix.PrefixLength && l.Contains(r.Prefix.BaseAddress)))
                .OrderByDescending(r => r.Prefix.PrefixLength).ThenBy(r => IPMath.ToNumber(r.Prefix.BaseAddress)).ThenBy(r => r.OnLink),
        ]);
    }

    /// <summary>Whether a host is on the link.</summary>
    public bool Contains(IPAddress host)
    {
        foreach (var (prefix, onLink) in _prefixes)
        {
            if (prefix.Contains(host))
                return onLink;
        }

        return false;
    }

    /// <inheritdoc/>
    public bool Equals(OnLinkPrefixes? other) => other is not null && _prefixes.SequenceEqual(other._prefixes);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as OnLinkPrefixes);

    /// <inheritdoc/>
    public override int GetHashCode() => _prefixes.Aggregate(0, HashCode.Combine);

    /// <inheritdoc/>
    public override string ToString() => string.Join(", ", _prefixes.Where(p => p.OnLink).Select(p => p.Prefix));
}
