namespace Accelerated.Agent.Etcd;

/// <summary>How to reach etcd. Checked by the constructor of <see cref="EtcdClient"/>.</summary>
public sealed record EtcdClientOptions
{
    /// <summary>
    /// The members' client URLs, <c>http://host:port</c> or <c>https://host:port</c> without user, path or query
    /// (<c>--etcd-endpoints</c>). Tried in this order; the one that works is kept. Duplicates count once.
    /// </summary>
    public required IReadOnlyList<Uri> Endpoints { get; init; }

    /// <summary>
    /// PEM file of the CAs that may have signed the server's certificate (<c>--etcd-cafile</c>); null: those of the system.
    /// Read again for every new connection, as the other two are.
    /// </summary>
    public string? CaFile { get; init; }

    /// <summary>PEM file of the client certificate, intermediates after it (<c>--etcd-certfile</c>); null: none is sent.</summary>
    public string? CertFile { get; init; }

    /// <summary>PEM file of its private key, not encrypted (<c>--etcd-keyfile</c>).</summary>
    public string? KeyFile { get; init; }

    /// <summary>User name of etcd's own authentication (<c>--etcd-username</c>); null: none.</summary>
    public string? Username { get; init; }

    /// <summary>Its password (<c>--etcd-password</c>).</summary>
    public string? Password { get; init; }

    /// <summary>
    /// Longest time a connection may take to come up, TLS included. Half of <see cref="RequestTimeout"/> counts if that is
    /// less, so that a request never runs out of time before it was sent: its outcome would seem unknown.
    /// </summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Longest time one endpoint may take to answer a request, or to confirm a watch.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Reads the value of <c>--etcd-endpoints</c>: URLs separated by commas.</summary>
    /// <param name="list">
    /// The value. An entry without a scheme, which flannel's client takes too, becomes https when
    /// <paramref name="tlsConfigured"/>, else http.
    /// </param>
    /// <param name="tlsConfigured">Whether any of the TLS files is given.</param>
    /// <exception cref="EtcdOptionsException">An entry is no URL of an etcd member, or there is none.</exception>
    public static IReadOnlyList<Uri> ParseEndpoints(string list, bool tlsConfigured = false)
    {
        ArgumentNullException.ThrowIfNull(list);
        var endpoints = new List<Uri>();
        foreach (var entry in list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var url = entry.Contains("://", StringComparison.Ordinal) ? entry : $"{(tlsConfigured ? "https" : "http")}://{entry}";
            if (!Uri.TryCreate(url, UriKind.Absolute, out var endpoint))
                throw BadEndpoint(WithoutUser(entry), "is not a URL");

            CheckEndpoint(endpoint);
            endpoints.Add(endpoint);
        }

        CheckEndpoints(endpoints);
        return endpoints;
    }

    /// <summary>Shows no password in a log: only what identifies the connection.</summary>
    public override string ToString() =>
        $"{nameof(EtcdClientOptions)} {{ {string.Join(", ", Endpoints)}{(CertFile is null ? "" : $", {CertFile}")} }}";

    /// <summary>Checks everything that needs no file.</summary>
    /// <exception cref="EtcdOptionsException">Something is wrong; the message names the flag.</exception>
    internal void Check()
    {
        CheckEndpoints(Endpoints);
        foreach (var endpoint in Endpoints)
            CheckEndpoint(endpoint);

        if (string.IsNullOrEmpty(CertFile) != string.IsNullOrEmpty(KeyFile))
        {
            throw string.IsNullOrEmpty(KeyFile)
                ? new EtcdOptionsException($"--etcd-certfile={CertFile} needs its private key: give --etcd-keyfile=FILE as well")
                : new EtcdOptionsException($"--etcd-keyfile={KeyFile} needs its certificate: give --etcd-certfile=FILE as well");
        }

        if (string.IsNullOrEmpty(Username) != string.IsNullOrEmpty(Password))
        {
            throw string.IsNullOrEmpty(Password)
                ? new EtcdOptionsException($"--etcd-username={Username} needs a password: give --etcd-password as well")
                : new EtcdOptionsException("--etcd-password needs a user: give --etcd-username as well");
        }

        if (ConnectTimeout <= TimeSpan.Zero || RequestTimeout <= TimeSpan.Zero)
            throw new EtcdOptionsException("the connect and request timeouts of the etcd client must be positive");
    }

    private static void CheckEndpoints(IReadOnlyList<Uri>? endpoints)
    {
        if (endpoints is null or { Count: 0 })
        {
            throw new EtcdOptionsException(
                "--etcd-endpoints names no endpoint: give at least one, as in --etcd-endpoints=http://127.0.0.1:2379");
        }
    }

    private static void CheckEndpoint(Uri endpoint)
    {
        if (!endpoint.IsAbsoluteUri)
            throw BadEndpoint(WithoutUser(endpoint.OriginalString), "is not a URL");

        // The user part of a URL is a secret as often as not: it is never shown.
        var shown = $"{endpoint.Scheme}://{endpoint.Authority}{endpoint.PathAndQuery}".TrimEnd('/');
        if (endpoint.Scheme is not ("http" or "https"))
            throw BadEndpoint(shown, $"has the scheme '{endpoint.Scheme}', only http and https are possible");

        if (endpoint.UserInfo.Length > 0)
            throw BadEndpoint(shown, "has a user in the URL: use --etcd-username and --etcd-password");

        if (endpoint.Host.Length == 0)
            throw BadEndpoint(shown, "names no host");

        if (endpoint.PathAndQuery is not ("/" or "") || endpoint.Fragment.Length > 0)
            throw BadEndpoint(shown, "has a path or a query, which etcd's v3 API does not have");
    }

    private static EtcdOptionsException BadEndpoint(string shown, string fault) =>
        new($"--etcd-endpoints={shown}: {fault}; write http://HOST:PORT or https://HOST:PORT, several separated by commas");

    private static string WithoutUser(string url) => url[(url.LastIndexOf('@') + 1)..];
}
