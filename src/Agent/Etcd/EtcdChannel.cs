using Google.Protobuf;

namespace Accelerated.Agent.Etcd;

/// <summary>All endpoints together: keeps to the one that works, goes on to the next when it does not.</summary>
internal sealed class EtcdChannel : IDisposable
{
    private readonly EtcdConnection[] _connections;
    private readonly EtcdCredentials? _credentials;
    private int _preferred;
    private string? _current;

    internal EtcdChannel(EtcdClientOptions options, TimeProvider time)
    {
        options.Check();
        var tls = new EtcdTls(options);
        _connections = [.. options.Endpoints.DistinctBy(EtcdFailure.Name).Select(e => new EtcdConnection(e, tls, options, time))];
        if (!string.IsNullOrEmpty(options.Username) && !string.IsNullOrEmpty(options.Password))
            _credentials = new EtcdCredentials(options.Username, options.Password);
    }

    /// <summary>The endpoint that answered last; null before the first answer.</summary>
    internal string? Current => Volatile.Read(ref _current);

    /// <summary>A call that may be sent twice without harm: a read, or a write that says the same each time.</summary>
    internal Task<TResponse> ReadAsync<TResponse>(GrpcMethod<TResponse> method, IMessage request, CancellationToken cancellationToken)
        where TResponse : class, IMessage<TResponse> =>
        TryAllAsync((connection, token) => connection.CallAsync(method, request, token, write: false, cancellationToken), cancellationToken);

    /// <summary>A call that is sent again only when it was certainly not applied.</summary>
    internal Task<TResponse> WriteAsync<TResponse>(GrpcMethod<TResponse> method, IMessage request, CancellationToken cancellationToken)
        where TResponse : class, IMessage<TResponse> =>
        TryAllAsync((connection, token) => connection.CallAsync(method, request, token, write: true, cancellationToken), cancellationToken);

    /// <summary>Opens a watch on the first endpoint that confirms it.</summary>
    internal Task<EtcdWatch> WatchAsync(IMessage request, CancellationToken cancellationToken) =>
        TryAllAsync((connection, token) => connection.WatchAsync(request, token, cancellationToken), cancellationToken);

    /// <summary>A watch on this endpoint failed: the next call begins with another.</summary>
    internal void Leave(Uri? endpoint)
    {
        var index = Array.FindIndex(_connections, c => c.Endpoint == endpoint);
        if (index >= 0)
            _ = Interlocked.CompareExchange(ref _preferred, (index + 1) % _connections.Length, index);
    }

    /// <summary>Ends every connection; the next calls open new ones.</summary>
    internal void Reconnect()
    {
        foreach (var connection in _connections)
            connection.Abort();
    }

    public void Dispose()
    {
        foreach (var connection in _connections)
            connection.Dispose();

        _credentials?.Dispose();
    }

    private async Task<T> TryAllAsync<T>(Func<EtcdConnection, string?, Task<T>> call, CancellationToken cancellationToken)
    {
        List<EtcdException>? failures = null;
        var first = Volatile.Read(ref _preferred);
        for (var i = 0; i < _connections.Length; i++)
        {
            var index = (first + i) % _connections.Length;
            var connection = _connections[index];
            try
            {
                var answer = await WithTokenAsync(connection, call, cancellationToken).ConfigureAwait(false);
                Volatile.Write(ref _preferred, index);
                Volatile.Write(ref _current, EtcdFailure.Name(connection.Endpoint));
                return answer;
            }
            catch (EtcdException e) when (e.IsEndpointFault)
            {
                Leave(connection.Endpoint);
                if (e.OutcomeUnknown)
                    throw;

                (failures ??= []).Add(e);
            }
        }

        throw EtcdFailure.AllFailed(failures!);
    }

    private async Task<T> WithTokenAsync<T>(
        EtcdConnection connection, Func<EtcdConnection, string?, Task<T>> call, CancellationToken cancellationToken)
    {
        if (_credentials is null)
            return await call(connection, null).ConfigureAwait(false);

        var token = await _credentials.GetTokenAsync(connection, cancellationToken).ConfigureAwait(false);
        try
        {
            return await call(connection, token).ConfigureAwait(false);
        }
        catch (EtcdException e) when (EtcdCredentials.IsStale(e))
        {
            // Once: a token that is refused when fresh will not get better.
            _credentials.Discard(token);
            token = await _credentials.GetTokenAsync(connection, cancellationToken).ConfigureAwait(false);
            return await call(connection, token).ConfigureAwait(false);
        }
    }
}
