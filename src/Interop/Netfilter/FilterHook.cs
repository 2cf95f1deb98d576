namespace Accelerated.Interop.Netfilter;

/// <summary>Where in a packet's way a chain is called.</summary>
public enum FilterHook
{
    /// <summary>Only by other chains.</summary>
    None,

    /// <summary>On arrival, before routing.</summary>
    Prerouting,

    /// <summary>Before delivery to this host.</summary>
    Input,

    /// <summary>On the way through this host.</summary>
    Forward,

    /// <summary>What this host sends, after routing.</summary>
    Output,

    /// <summary>On departure.</summary>
    Postrouting,

    /// <summary>On arrival at an interface, behind tc.</summary>
    Ingress,

    /// <summary>On departure from an interface, before tc. What a tc program has redirected does not come by.</summary>
    Egress,
}
